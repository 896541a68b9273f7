using System.Runtime.InteropServices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Execution;

/// <summary>Inputs and outputs that steps use in the caller's memory.</summary>
public unsafe partial class SessionBoundaryTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Nothing_beside_the_callers_memory_is_touched(int threads)
    {
        if (!OperatingSystem.IsLinux()) throw new SkipException("Guard pages are made with Linux calls.");
        foreach (ConvKernel kernel in ConvKernels.All)
        {
            foreach ((int inputs, int outputs, int size, int width) in new[] { (3, 5, 3, 7), (16, 32, 1, 9), (40, 24, 1, 33), (64, 64, 3, 18), (17, 16, 1, 40) })
                CheckGuarded(LayerGraph.Create(inputs, outputs, size, width, WeightForm.Unstructured, 0.5), kernel.Name, threads, seed: width);
        }
    }

    [Fact]
    public void Networks_touch_nothing_beside_the_callers_memory()
    {
        if (!OperatingSystem.IsLinux()) throw new SkipException("Guard pages are made with Linux calls.");
        for (int seed = 0; seed < 60; seed++)
        {
            (Graph graph, _) = RandomGraph.Create(seed, 1);
            if (graph.Outputs.Count == 1) CheckGuarded(graph, null, 1, seed);
        }
    }

    [Fact]
    public void Runs_with_other_memory_between_them_do_not_disturb_each_other()
    {
        Graph graph = LayerGraph.Create(32, 32, 1, 20);
        using Session session = Session.Create(graph, new SessionOptions { Chooser = KernelChooser.Analytic });
        for (int run = 0; run < 4; run++)
        {
            Tensor input = Random(session.Inputs[0].Shape!.Value, run);
            float[] expected = Expected(graph, input), direct = new float[expected.Length];
            session.Run(input.Values<float>(), direct);
            AssertClose(expected, direct);
            AssertClose(expected, session.Run([input])[0].Values<float>());
        }
    }

    [Fact]
    public void Output_and_input_may_overlap()
    {
        Graph graph = LayerGraph.Create(16, 16, 1, 24);
        using Session session = Session.Create(graph, new SessionOptions { Chooser = KernelChooser.Analytic });
        Tensor input = Random(session.Inputs[0].Shape!.Value, 5);
        float[] memory = new float[input.Count + 7];
        input.Values<float>().CopyTo(memory);
        session.Run(memory.AsSpan(0, input.Count), memory.AsSpan(7));
        AssertClose(Expected(graph, input), memory.AsSpan(7));
    }

    private static void CheckGuarded(Graph graph, string? kernel, int threads, int seed)
    {
        using Session session = Session.Create(graph, new SessionOptions { Threads = threads, SharesSmallGraphs = true, Chooser = KernelChooser.Analytic, ForcedKernel = kernel });
        Tensor input = Random(session.Inputs[0].Shape!.Value, seed);
        float[] expected = Expected(graph, input);
        foreach (bool atEnd in new[] { true, false })
        {
            using var source = new GuardedMemory(input.Count);
            using var target = new GuardedMemory(expected.Length);
            Span<float> from = source.Values(input.Count, atEnd), to = target.Values(expected.Length, atEnd);
            input.Values<float>().CopyTo(from);
            to.Fill(float.NaN);
            session.Run(from, to);
            AssertClose(expected, to);
            Assert.True(from.SequenceEqual(input.Values<float>()), "the input was written to");
        }
    }

    private static float[] Expected(Graph graph, Tensor input) => Interpreter.Run(graph, [input])[0].Values<float>().ToArray();

    private static Tensor Random(TensorShape shape, int seed)
    {
        var random = new Random(seed);
        var tensor = new Tensor(ElementType.Float32, shape);
        foreach (ref float value in tensor.Values<float>()) value = (random.NextSingle() * 2) - 1;
        return tensor;
    }

    private static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        float largest = 1;
        foreach (float value in expected) largest = Math.Max(largest, Math.Abs(value));
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= 2e-4f * largest, $"value {i} is {actual[i]}, expected {expected[i]}");
    }

    /// <summary>Pages between two that must not be touched.</summary>
    private sealed partial class GuardedMemory : IDisposable
    {
        private const int None = 0, ReadWrite = 3, PrivateAnonymous = 0x22;

        private readonly nint _start;
        private readonly nuint _bytes;
        private readonly nuint _inside;

        public GuardedMemory(int floats)
        {
            nuint page = (nuint)Environment.SystemPageSize;
            _inside = ((((nuint)floats * sizeof(float)) + page - 1) / page) * page;
            _bytes = _inside + (2 * page);
            _start = Map(0, _bytes, None, PrivateAnonymous, -1, 0);
            Assert.NotEqual(-1, _start);
            Assert.Equal(0, Protect(_start + (nint)page, _inside, ReadWrite));
        }

        public Span<float> Values(int floats, bool atEnd)
        {
            nint first = _start + Environment.SystemPageSize;
            return new Span<float>((void*)(atEnd ? first + (nint)_inside - (floats * sizeof(float)) : first), floats);
        }

        public void Dispose() => Assert.Equal(0, Unmap(_start, _bytes));

        [LibraryImport("libc", EntryPoint = "mmap")]
        private static partial nint Map(nint address, nuint bytes, int protection, int flags, int file, nint offset);

        [LibraryImport("libc", EntryPoint = "mprotect")]
        private static partial int Protect(nint address, nuint bytes, int protection);

        [LibraryImport("libc", EntryPoint = "munmap")]
        private static partial int Unmap(nint address, nuint bytes);
    }
}
