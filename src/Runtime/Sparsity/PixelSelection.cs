using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Sparsity;

/// <summary>A slice, pad or gather of an image as index lists: for each output row, column and channel the input's, or -1 for zero.</summary>
internal sealed class PixelSelection
{
    private readonly int[] _channels;
    private readonly int[] _rows;
    private readonly int[] _columns;

    private PixelSelection(int[] channels, int[] rows, int[] columns) => (_channels, _rows, _columns) = (channels, rows, columns);

    /// <summary>Reads a node; null when it does something that index lists cannot say.</summary>
    public static PixelSelection? Of(Node node, Graph graph, TensorShape input) => node.OpType switch
    {
        "Slice" => OfSlice(node, graph, input),
        "Pad" => OfPad(node, graph, input),
        "Gather" => OfGather(node, graph, input),
        _ => null,
    };

    /// <summary>Applies the selection to every image.</summary>
    public CalibrationActivation Apply(CalibrationActivation input)
    {
        int inChannels = input.Channels, outChannels = _channels.Length;
        var result = new CalibrationActivation(new TensorShape(input.Images, outChannels, _rows.Length, _columns.Length));
        int target = 0;
        for (int n = 0; n < input.Images; n++)
        {
            foreach (int y in _rows)
            {
                foreach (int x in _columns)
                {
                    Span<float> pixel = result.Values.AsSpan(target, outChannels);
                    target += outChannels;
                    if (y < 0 || x < 0) continue;
                    ReadOnlySpan<float> source = input.Values.AsSpan(((((n * input.Height) + y) * input.Width) + x) * inChannels, inChannels);
                    for (int c = 0; c < pixel.Length; c++)
                    {
                        if (_channels[c] >= 0) pixel[c] = source[_channels[c]];
                    }
                }
            }
        }

        return result;
    }

    private static PixelSelection? OfSlice(Node node, Graph graph, TensorShape input)
    {
        long[]? starts = node.Ints("starts") ?? Constant(node, graph, 1), ends = node.Ints("ends") ?? Constant(node, graph, 2);
        if (starts is null || ends is null) return null;
        long[]? axes = node.Ints("axes") ?? Constant(node, graph, 3), steps = Constant(node, graph, 4);
        if ((node.Input(3) is not null && axes is null) || (node.Input(4) is not null && steps is null)) return null;
        int[][] lists = All(input);
        for (int i = 0; i < starts.Length; i++)
        {
            long axis = axes is null ? i : axes[i] < 0 ? axes[i] + 4 : axes[i], step = steps?[i] ?? 1;
            if (axis == 0 || step < 1) return null;
            int size = input[(int)axis];
            long start = Math.Clamp(starts[i] < 0 ? starts[i] + size : starts[i], 0, size);
            long end = Math.Clamp(ends[i] < 0 ? ends[i] + size : ends[i], 0, size);
            var list = new List<int>();
            for (long position = start; position < end; position += step) list.Add((int)position);
            lists[axis] = list.ToArray();
        }

        return new PixelSelection(lists[1], lists[2], lists[3]);
    }

    private static PixelSelection? OfPad(Node node, Graph graph, TensorShape input)
    {
        long[]? pads = node.Ints("pads") ?? Constant(node, graph, 1), axes = Constant(node, graph, 3);
        bool isZero = node.Input(2) is not { } fill ? node.Float("value", 0) == 0
            : graph.Initializers.TryGetValue(fill, out Tensor? value) && value.Type == ElementType.Float32 && value.Values<float>()[0] == 0;
        if (pads is null || (node.Input(3) is not null && axes is null) || !isZero || node.String("mode", "constant") != "constant") return null;
        int[][] lists = All(input);
        int count = pads.Length / 2;
        for (int i = 0; i < count; i++)
        {
            long axis = axes is null ? i : axes[i] < 0 ? axes[i] + 4 : axes[i], before = pads[i], after = pads[count + i];
            if (before == 0 && after == 0) continue;
            if (axis == 0 || before < 0 || after < 0) return null;
            lists[axis] = [.. Enumerable.Repeat(-1, (int)before), .. lists[axis], .. Enumerable.Repeat(-1, (int)after)];
        }

        return new PixelSelection(lists[1], lists[2], lists[3]);
    }

    private static PixelSelection? OfGather(Node node, Graph graph, TensorShape input)
    {
        long axis = node.Int("axis", 0);
        if (axis < 0) axis += 4;
        if (axis == 0 || Constant(node, graph, 1) is not { } indices || graph.Initializers[node.Inputs[1]].Shape.Rank != 1) return null;
        int[][] lists = All(input);
        lists[axis] = Array.ConvertAll(indices, index => (int)(index < 0 ? index + input[(int)axis] : index));
        return new PixelSelection(lists[1], lists[2], lists[3]);
    }

    private static int[][] All(TensorShape input) => [.. input.Dimensions.ToArray().Select(size => Enumerable.Range(0, size).ToArray())];

    private static long[]? Constant(Node node, Graph graph, int index) =>
        node.Input(index) is { } name && graph.Initializers.TryGetValue(name, out Tensor? value)
            ? value.Type switch
            {
                ElementType.Int64 => value.Values<long>().ToArray(),
                ElementType.Int32 => Array.ConvertAll(value.Values<int>().ToArray(), number => (long)number),
                _ => null,
            }
            : null;
}
