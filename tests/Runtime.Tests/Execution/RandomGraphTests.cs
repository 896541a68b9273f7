using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Execution;

/// <summary>Sessions against the interpreter on random small networks.</summary>
public class RandomGraphTests
{
    // Relative to the largest output. Values stay near one; a dozen layers of float32 sums lose a few ulps each.
    private const double Tolerance = 2e-4;

    [Theory]
    [InlineData(1, 1, 0, 150)]
    [InlineData(3, 1, 1000, 60)]
    [InlineData(1, 2, 2000, 60)]
    [InlineData(2, 2, 3000, 40)]
    public void Sessions_agree_with_the_interpreter(int batch, int threads, int firstSeed, int count) => Check(batch, threads, firstSeed, count, null);

    [Fact]
    public void Every_convolution_kernel_fits_into_any_network()
    {
        foreach (ConvKernel kernel in ConvKernels.All) Check(2, 1, 4000, 12, kernel.Name);
    }

    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Sessions_agree_under_every_instruction_set(string setting) => InstructionSets.Run(Sessions_agree_in_this_process, setting);

    [Fact]
    public static void Sessions_agree_in_this_process() => Check(2, 2, 5000, 40, null);

    private static void Check(int batch, int threads, int firstSeed, int count, string? kernel)
    {
        for (int seed = firstSeed; seed < firstSeed + count; seed++)
        {
            (Graph graph, Tensor input) = RandomGraph.Create(seed, batch);
            IReadOnlyList<Tensor> expected = Interpreter.Run(graph, [input]);
            var options = new SessionOptions { BatchSize = batch, Threads = threads, SharesSmallGraphs = true, Chooser = KernelChooser.Analytic, ForcedKernel = kernel };
            using Session session = Session.Create(graph, options);
            Assert.DoesNotContain(session.Steps, step => step.Kernel == "reference");
            for (int run = 0; run < 2; run++)
            {
                session.PoisonArena();
                IReadOnlyList<Tensor> actual = session.Run([input]);
                for (int i = 0; i < expected.Count; i++) AssertClose(expected[i], actual[i], $"seed {seed}, batch {batch}, {threads} threads, output {i}, run {run}, kernel {kernel}");
            }
        }
    }

    private static void AssertClose(Tensor expected, Tensor actual, string where)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        ReadOnlySpan<float> e = expected.Values<float>();
        ReadOnlySpan<float> a = actual.Values<float>();
        double scale = 1e-3;
        foreach (float value in e) scale = Math.Max(scale, Math.Abs(value));
        for (int i = 0; i < e.Length; i++)
            Assert.True(Math.Abs(e[i] - a[i]) <= Tolerance * scale, $"{where}: element {i} is {a[i]}, expected {e[i]}, scale {scale}");
    }
}
