namespace CoInference.Kernels.Gpu.Dialect;

// The words of the dialect as types that run: a kernel of these tests is C# like any other, and what it computes here is what its
// translations must compute. The attributes, Float4 and the storage formats are those of the library.

/// <summary>Elements of an array.</summary>
internal readonly struct ArrayView<T>(T[] values, int offset, int length)
    where T : unmanaged
{
    public long Length => length;

    public int IntLength => length;

    public ref T this[long index] => ref values[index >= 0 && index < length ? offset + index : throw new ArgumentOutOfRangeException(nameof(index), $"{index} of {length}")];

    public ArrayView<T> SubView(long start) => SubView(start, length - start);

    public ArrayView<T> SubView(long start, long count) => new(values, checked((int)(offset + start)), checked((int)count));
}

internal readonly record struct SpecializedValue<T>(T Value)
    where T : unmanaged
{
    public static implicit operator T(SpecializedValue<T> specialized) => specialized.Value;
}

/// <summary>What a thread of the running kernel knows.</summary>
internal sealed class RunningThread(RunningGroup group, int index)
{
    [ThreadStatic]
    private static RunningThread? _current;

    public static RunningThread Current { get => _current!; set => _current = value; }

    public RunningGroup Group { get; } = group;

    public int Index { get; } = index;

    /// <summary>How many shared arrays the thread has met.</summary>
    public int SharedArrays { get; set; }
}

/// <summary>The threads of one group.</summary>
internal sealed class RunningGroup(int index, int groups, int threads) : IDisposable
{
    private readonly List<Array> _shared = [];

    public int Index { get; } = index;

    public int Groups { get; } = groups;

    public int Threads { get; } = threads;

    public Barrier Barrier { get; } = new(threads);

    public T[] Shared<T>(int array, int extent)
    {
        lock (_shared)
        {
            if (array == _shared.Count) _shared.Add(new T[extent]);
            return (T[])_shared[array];
        }
    }

    public void Dispose() => Barrier.Dispose();
}

internal static class Grid
{
    public static int IdxX => RunningThread.Current.Group.Index;

    public static int IdxY => 0;

    public static int IdxZ => 0;

    public static int DimX => RunningThread.Current.Group.Groups;

    public static int DimY => 1;

    public static int DimZ => 1;
}

internal static class Group
{
    public static int IdxX => RunningThread.Current.Index;

    public static int IdxY => 0;

    public static int IdxZ => 0;

    public static int DimX => RunningThread.Current.Group.Threads;

    public static int DimY => 1;

    public static int DimZ => 1;

    public static void Barrier() => RunningThread.Current.Group.Barrier.SignalAndWait();
}

internal static class SharedMemory
{
    public static ArrayView<T> Allocate<T>(int extent)
        where T : unmanaged => new(RunningThread.Current.Group.Shared<T>(RunningThread.Current.SharedArrays++, extent), 0, extent);
}

internal static class LocalMemory
{
    public static ArrayView<T> Allocate<T>(int extent)
        where T : unmanaged => new(new T[extent], 0, extent);
}

internal static class Atomic
{
    public static int Add(ref int target, int value) => Interlocked.Add(ref target, value) - value;

    public static uint Add(ref uint target, uint value) => Interlocked.Add(ref target, value) - value;

    public static float Add(ref float target, float value) => Change(ref target, before => before + value);

    public static int Min(ref int target, int value) => Change(ref target, before => Math.Min(before, value));

    public static int Max(ref int target, int value) => Change(ref target, before => Math.Max(before, value));

    public static uint Min(ref uint target, uint value) => Change(ref target, before => Math.Min(before, value));

    public static uint Max(ref uint target, uint value) => Change(ref target, before => Math.Max(before, value));

    public static uint Or(ref uint target, uint value) => Interlocked.Or(ref target, value);

    public static uint And(ref uint target, uint value) => Interlocked.And(ref target, value);

    public static uint Xor(ref uint target, uint value) => Change(ref target, before => before ^ value);

    public static int Exchange(ref int target, int value) => Interlocked.Exchange(ref target, value);

    public static uint Exchange(ref uint target, uint value) => Interlocked.Exchange(ref target, value);

    public static int CompareExchange(ref int target, int compareValue, int value) => Interlocked.CompareExchange(ref target, value, compareValue);

    public static uint CompareExchange(ref uint target, uint compareValue, uint value) => Interlocked.CompareExchange(ref target, value, compareValue);

    private static T Change<T>(ref T target, Func<T, T> change)
        where T : unmanaged
    {
        lock (typeof(Atomic))
        {
            T before = target;
            target = change(before);
            return before;
        }
    }
}
