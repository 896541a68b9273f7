using System.Reflection;
using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Translator.Tests;

/// <summary>Runs a construct as C#: a thread of the system for each thread of a group, a group after the other.</summary>
internal static class ConstructRun
{
    public static void Run(string name, int groups, int threads, float[] x, int[] i, float[] y, int[] j)
    {
        MethodInfo method = typeof(Constructs.Constructs).GetMethod(name, BindingFlags.Public | BindingFlags.Static)!;
        object[] arguments = [View(x), View(i), View(y), View(j), new SpecializedValue<int>(Translations.Four)];
        for (int index = 0; index < groups; index++)
        {
            using var group = new RunningGroup(index, groups, threads);
            Thread[] running = [.. Enumerable.Range(0, threads).Select(thread => new Thread(() =>
            {
                RunningThread.Current = new RunningThread(group, thread);
                method.Invoke(null, arguments);
            }))];
            foreach (Thread thread in running) thread.Start();
            foreach (Thread thread in running) thread.Join();
        }
    }

    private static ArrayView<T> View<T>(T[] values)
        where T : unmanaged => new(values, 0, values.Length);
}
