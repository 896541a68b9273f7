using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Execution.Operators;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Execution;

/// <summary>
/// Operators and forms that the ONNX node tests leave out: older operator sets, groups and dilation, reductions. Expected
/// values are worked out by hand; comparison is to 1e-6, a few units in the last place of float32.
/// </summary>
public class OperatorTests
{
    [Fact]
    public void Grouped_convolution_keeps_groups_apart()
    {
        Tensor x = Floats([1, 2, 1, 2], 1, 2, 10, 20);
        Tensor w = Floats([2, 1, 1, 1], 3, 5);
        Check(Run("Conv", 13, [x, w, Floats([2], 100, 200)], ("group", 2L)), [1, 2, 1, 2], 103, 106, 250, 300);
    }

    [Fact]
    public void Dilated_strided_one_dimensional_convolution()
    {
        Tensor x = Floats([1, 1, 6], 1, 2, 3, 4, 5, 6);
        Tensor w = Floats([1, 1, 2], 1, 10);
        Check(Run("Conv", 13, [x, w], ("dilations", Longs(2)), ("strides", Longs(2)), ("pads", Longs(1, 1))), [1, 1, 3], 20, 42, 64);
    }

    [Fact]
    public void Three_dimensional_convolution_sums_its_window()
    {
        Tensor x = Floats([1, 1, 2, 2, 2], 1, 2, 3, 4, 5, 6, 7, 8);
        Tensor w = Floats([1, 1, 2, 2, 2], 1, 1, 1, 1, 1, 1, 1, 1);
        Check(Run("Conv", 13, [x, w]), [1, 1, 1, 1, 1], 36);
    }

    [Fact]
    public void Quantized_convolution_takes_a_scale_per_filter()
    {
        Tensor x = Bytes([1, 1, 1, 2], 12, 14);
        Tensor w = Bytes([2, 1, 1, 1], 3, 4);
        Tensor result = Run("QLinearConv", 13,
            [x, Tensor.Scalar(0.5f), Tensor.Scalar((byte)10), w, Floats([2], 1, 2), Bytes([2], 1, 2), Tensor.Scalar(1f), Tensor.Scalar((byte)5), Tensor.From<int>(new TensorShape(2), [0, 1])])[0];
        // (x - 10) * (w - zero) + bias, times 0.5 * scale, plus 5: filter 1 gives 2*2*0.5+5 and 4*2*0.5+5.
        Assert.Equal(new byte[] { 7, 9, 10, 14 }, result.Bytes.ToArray());
    }

    [Theory]
    [InlineData(7)]
    [InlineData(10)]
    public void Clip_takes_bounds_from_attributes_before_operator_set_11(int opset) =>
        Check(Run("Clip", opset, [Floats([3], -2, 0.5f, 9)], ("min", -1f), ("max", 6f)), [3], -1, 0.5, 6);

    [Fact]
    public void Clip_has_no_bounds_by_default() => Check(Run("Clip", 7, [Floats([2], -1e30f, 1e30f)]), [2], -1e30f, 1e30f);

    [Fact]
    public void Pad_takes_pads_and_value_from_attributes_before_operator_set_11() =>
        Check(Run("Pad", 10, [Floats([2], 1, 2)], ("pads", Longs(1, 2)), ("value", 9f)), [5], 9, 1, 2, 9, 9);

    [Fact]
    public void Negative_pads_remove_elements() =>
        Check(Run("Pad", 13, [Floats([4], 1, 2, 3, 4), Indices(-1, 1)]), [4], 2, 3, 4, 0);

    [Fact]
    public void Slice_takes_positions_from_attributes_before_operator_set_10() =>
        Check(Run("Slice", 9, [Floats([2, 3], 1, 2, 3, 4, 5, 6)], ("starts", Longs(1)), ("ends", Longs(1000)), ("axes", Longs(1))), [2, 2], 2, 3, 5, 6);

    [Fact]
    public void Squeeze_and_unsqueeze_take_axes_from_attributes_before_operator_set_13()
    {
        Check(Run("Squeeze", 11, [Floats([1, 2, 1], 1, 2)], ("axes", Longs(-1))), [1, 2], 1, 2);
        Check(Run("Unsqueeze", 11, [Floats([2], 1, 2)], ("axes", Longs(0, 2))), [1, 2, 1], 1, 2);
        Check(Run("Squeeze", 13, [Floats([1, 2, 1], 1, 2)]), [2], 1, 2);
    }

    [Fact]
    public void Split_takes_sizes_from_an_attribute_before_operator_set_13()
    {
        Tensor[] pieces = Run("Split", 11, [Floats([3], 1, 2, 3)], 2, ("split", Longs(1, 2)));
        Check([pieces[0]], [1], 1);
        Check([pieces[1]], [2], 2, 3);
    }

    [Fact]
    public void Softmax_before_operator_set_13_runs_over_all_following_axes()
    {
        Tensor x = Floats([1, 2, 2], 0, 0, 0, 0);
        Check(Run("Softmax", 11, [x]), [1, 2, 2], 0.25, 0.25, 0.25, 0.25);
        Check(Run("Softmax", 13, [x]), [1, 2, 2], 0.5, 0.5, 0.5, 0.5);
        Check(Run("LogSoftmax", 11, [x], ("axis", 2L)), [1, 2, 2], -Math.Log(2), -Math.Log(2), -Math.Log(2), -Math.Log(2));
    }

    [Fact]
    public void Dropout_before_operator_set_10_masks_in_its_own_type()
    {
        Tensor[] results = Run("Dropout", 7, [Floats([2], 3, 4)], 2, ("ratio", 0.5f));
        Check([results[0]], [2], 3, 4);
        Check([results[1]], [2], 1, 1);
    }

    [Fact]
    public void Upsample_reads_scales_from_an_attribute_or_an_input()
    {
        Tensor x = Floats([1, 1, 1, 2], 1, 2);
        Check(Run("Upsample", 7, [x], ("scales", new float[] { 1, 1, 2, 2 })), [1, 1, 2, 4], 1, 1, 2, 2, 1, 1, 2, 2);
        Check(Run("Upsample", 9, [x, Floats([4], 1, 1, 1, 2)], ("mode", "linear")), [1, 1, 1, 4], 1, 1.5, 2, 2);
        Check(Run("Resize", 10, [x, Floats([4], 1, 1, 1, 2)]), [1, 1, 1, 4], 1, 1, 2, 2);
    }

    [Fact]
    public void Reductions_take_axes_from_an_attribute_or_an_input()
    {
        Tensor x = Floats([2, 3], 1, 2, 3, 4, 5, 7);
        Check(Run("ReduceSum", 11, [x], ("axes", Longs(1))), [2, 1], 6, 16);
        Check(Run("ReduceSum", 13, [x, Indices(-2)], ("keepdims", 0L)), [3], 5, 7, 10);
        Check(Run("ReduceSum", 13, [x], ("noop_with_empty_axes", 1L)), [2, 3], 1, 2, 3, 4, 5, 7);
        Check(Run("ReduceMax", 12, [x], ("axes", Longs(0, 1)), ("keepdims", 0L)), [], 7);
        Check(Run("ReduceMin", 18, [x, Indices(1)]), [2, 1], 1, 4);
        Check(Run("ReduceMean", 13, [x]), [1, 1], 22 / 6.0);
        Check(Run("ReduceL2", 13, [Floats([2], 3, 4)]), [1], 5);
        Check(Run("ReduceProd", 13, [Floats([3], 2, 3, 4)]), [1], 24);
    }

    [Fact]
    public void Sums_of_wide_integers_are_exact()
    {
        Tensor x = Tensor.From<long>(new TensorShape(2), [(1L << 60) + 1, 2]);
        Assert.Equal((1L << 60) + 3, Run("ReduceSum", 13, [x])[0].Values<long>()[0]);
        Assert.Equal((1L << 60) + 1, Run("ReduceMax", 13, [x])[0].Values<long>()[0]);
    }

    [Theory]
    [InlineData(0L, 1L)]
    [InlineData(1L, 2L)]
    public void ArgMax_names_the_first_or_last_of_equals(long last, long expected)
    {
        Tensor[] result = Run("ArgMax", 13, [Floats([1, 3], 1, 5, 5)], ("axis", -1L), ("select_last_index", last));
        Assert.Equal(new TensorShape(1, 1), result[0].Shape);
        Assert.Equal(expected, result[0].Values<long>()[0]);
    }

    [Theory]
    [InlineData("Sqrt", 4, 2)]
    [InlineData("Exp", 0, 1)]
    [InlineData("Log", 1, 0)]
    [InlineData("Erf", 0.5, 0.5204998778130465)]
    [InlineData("Erf", -3, -0.9999779095030014)]
    [InlineData("Reciprocal", 4, 0.25)]
    [InlineData("Floor", -1.5, -2)]
    [InlineData("Ceil", -1.5, -1)]
    [InlineData("Round", 2.5, 2)]
    [InlineData("Abs", -3, 3)]
    [InlineData("Neg", 3, -3)]
    [InlineData("Tanh", 0.5, 0.46211715726000979)]
    [InlineData("Softplus", 100, 100)]
    [InlineData("HardSwish", 1, 2.0 / 3)]
    public void Functions_of_one_element(string opType, float value, double expected) =>
        Check(Run(opType, 14, [Floats([1], value)]), [1], expected);

    [Fact]
    public void Power_mixes_types_and_broadcasts()
    {
        Check(Run("Pow", 13, [Floats([3], 1, 2, 3), Tensor.Scalar(2L)]), [3], 1, 4, 9);
        Check(Run("Pow", 13, [Floats([2, 1], 2, 3), Floats([2], 2, 0.5f)]), [2, 2], 4, Math.Sqrt(2), 9, Math.Sqrt(3));
    }

    [Fact]
    public void Comparison_logic_and_selection()
    {
        Tensor less = Run("Less", 13, [Floats([3], 1, 2, 3), Floats([1], 2)])[0];
        Assert.Equal([true, false, false], less.Values<bool>().ToArray());
        Check(Run("Where", 13, [less, Floats([3], 1, 2, 3), Floats([], 9)]), [3], 1, 9, 9);
        Assert.Equal([false, true, true], Run("Not", 13, [less])[0].Values<bool>().ToArray());
    }

    [Fact]
    public void Casts_truncate_saturate_and_wrap()
    {
        Tensor x = Floats([5], -1.9f, 1.9f, 300, float.NaN, -1e20f);
        Assert.Equal([-1, 1, 300, 0, int.MinValue], Casting.Cast(x, ElementType.Int32).Values<int>().ToArray());
        Assert.Equal(new byte[] { 0, 1, 255, 0, 0 }, Casting.Cast(x, ElementType.UInt8).Bytes.ToArray());
        Tensor wide = Tensor.From<long>(new TensorShape(2), [257, -1]);
        Assert.Equal(new byte[] { 1, 255 }, Casting.Cast(wide, ElementType.UInt8).Bytes.ToArray());
        Assert.Equal([true, true], Casting.Cast(wide, ElementType.Bool).Values<bool>().ToArray());
    }

    [Fact]
    public void Division_by_an_integer_zero_names_the_node()
    {
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => Run("Div", 13, [Tensor.Scalar(1), Tensor.Scalar(0)]));
        Assert.StartsWith("Node Div 'node'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Max_pooling_never_picks_padding()
    {
        Tensor x = Floats([1, 1, 2, 2], -1, -2, -3, -4);
        Check(Run("MaxPool", 13, [x], ("kernel_shape", Longs(2, 2)), ("pads", Longs(1, 1, 1, 1)), ("strides", Longs(2, 2))), [1, 1, 2, 2], -1, -2, -3, -4);
    }

    [Fact]
    public void Tensors_above_the_limit_are_refused_before_memory_is_taken()
    {
        var node = new Node { Name = "grow", OpType = "ConstantOfShape" };
        node.Inputs.Add("shape");
        node.Outputs.Add("y");
        var graph = new Graph();
        graph.Initializers.Add("shape", Indices(1 << 20, 1 << 10));
        graph.Nodes.Add(node);
        graph.Outputs.Add(new ValueInfo("y", ElementType.Float32, null));
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => Interpreter.Run(graph, []));
        Assert.Contains("ConstantOfShape 'grow'", error.Message, StringComparison.Ordinal);
        Assert.Contains("limit", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_table_lists_the_operators_of_image_classifiers()
    {
        string[] promised = ("Conv ConvInteger QLinearConv QuantizeLinear DequantizeLinear DynamicQuantizeLinear Gemm MatMul MatMulInteger Relu Clip "
            + "LeakyRelu PRelu Sigmoid HardSigmoid HardSwish Tanh Elu Softmax LogSoftmax Add Sub Mul Div Pow Sqrt Exp MaxPool AveragePool "
            + "GlobalAveragePool GlobalMaxPool BatchNormalization LRN Concat Split Slice Reshape Flatten Transpose Squeeze Unsqueeze Pad "
            + "ReduceMean ReduceSum ReduceMax Resize Dropout Identity Constant ConstantOfShape Shape Gather Cast Expand ArgMax").Split(' ');
        Assert.Empty(promised.Except(OperatorTable.Names));
    }

    private static Tensor[] Run(string opType, int opset, Tensor[] inputs, params (string Name, object Value)[] attributes) =>
        Run(opType, opset, inputs, 1, attributes);

    // Through a graph, as a user would: inputs become initializers so that any form of the operator can be fed.
    private static Tensor[] Run(string opType, int opset, Tensor[] inputs, int outputs, params (string Name, object Value)[] attributes)
    {
        var graph = new Graph { Opset = opset };
        var node = new Node { Name = "node", OpType = opType };
        foreach ((string name, object value) in attributes) node.Attributes.Add(name, value);
        for (int i = 0; i < inputs.Length; i++)
        {
            graph.Initializers.Add($"x{i}", inputs[i]);
            node.Inputs.Add($"x{i}");
        }

        for (int i = 0; i < outputs; i++)
        {
            node.Outputs.Add($"y{i}");
            graph.Outputs.Add(new ValueInfo($"y{i}", ElementType.Float32, null));
        }

        graph.Nodes.Add(node);
        return [.. Interpreter.Run(graph, [])];
    }

    private static void Check(Tensor[] results, int[] shape, params double[] expected)
    {
        Assert.Equal(new TensorShape(shape), results[0].Shape);
        double[] actual = Casting.Cast(results[0], ElementType.Float64).Values<double>().ToArray();
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-6 * Math.Max(1, Math.Abs(expected[i])));
    }

    private static Tensor Floats(int[] shape, params float[] values) => Tensor.From<float>(new TensorShape(shape), values);

    private static Tensor Bytes(int[] shape, params byte[] values) => Tensor.From<byte>(new TensorShape(shape), values);

    private static Tensor Indices(params long[] values) => Tensor.From<long>(new TensorShape(values.Length), values);

    private static long[] Longs(params long[] values) => values;
}
