using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Elementwise;
using CoInference.Kernels.Simd.Layout;

namespace CoInference.Runtime.Execution;

/// <summary>
/// Fuses what follows a layer into its store: constant factors and shifts per channel into weights and bias, a residual
/// sum, a clamp; a clamp into an elementwise sum or scaling; the cast after an
/// integer layer; and chains of channel selections into one.
/// </summary>
internal static class Fusion
{
    public static void Run(OperationList list)
    {
        foreach (Operation operation in list.Operations.ToArray())
        {
            if (operation is ConvOperation layer)
            {
                while (TryFuse(list, layer))
                {
                }
            }
            else if (operation is ChannelGatherOperation { Inputs.Count: 1 } first)
            {
                while (TryChain(list, first))
                {
                }
            }
            else if (operation is ScaleShiftOperation { HasClamp: false } scaled
                && Next(scaled) is UnaryOperation { Function: UnaryFunction.Clamp, Alpha: <= 0, Beta: >= 0 } bounds)
            {
                scaled.Clamp = (bounds.Alpha, bounds.Beta);
                list.Absorb(scaled, bounds);
            }
            else if (operation is IntegerConvOperation sums && Next(sums) is ConvertOperation convert)
            {
                list.Absorb(sums, convert);
            }
            else if (operation is BinaryOperation { HasClamp: false } sum && Next(sum) is UnaryOperation { Function: UnaryFunction.Clamp } clamp)
            {
                sum.Clamp = (clamp.Alpha, clamp.Beta);
                list.Absorb(sum, clamp);
            }
        }
    }

    private static bool TryFuse(OperationList list, ConvOperation layer)
    {
        if (layer.Epilogue.Activation != FusedActivation.None) return false;
        switch (Next(layer))
        {
            case UnaryOperation { Function: UnaryFunction.Clamp } clamp:
                layer.Epilogue = layer.Epilogue with { Activation = FusedActivation.Clamp, Minimum = clamp.Alpha, Maximum = clamp.Beta };
                list.Absorb(layer, clamp);
                return true;
            case BinaryOperation { HasClamp: false } binary when !layer.Epilogue.HasResidual && Constant(layer, binary) is { } constant:
                layer.Weights = layer.Weights with { Folded = [.. layer.Weights.Folded, constant] };
                list.Absorb(layer, binary);
                return true;
            case BinaryOperation { Function: BinaryFunction.Add, Broadcast: Broadcast.None, HasClamp: false } sum when !layer.Epilogue.HasResidual:
                PlanValue other = sum.Inputs[0] == layer.Outputs[0] ? sum.Inputs[1] : sum.Inputs[0];
                if (other == layer.Outputs[0] || other.Constant is not null) return false;
                layer.Epilogue = layer.Epilogue with { HasResidual = true };
                list.Absorb(layer, sum, other);
                return true;
            default:
                return false;
        }
    }

    /// <summary>Two selections in a row are one: the second one's channels and pixels looked up in the first.</summary>
    private static bool TryChain(OperationList list, ChannelGatherOperation first)
    {
        if (Next(first) is not ChannelGatherOperation { Inputs.Count: 1 } second) return false;
        int[] channels = Array.ConvertAll(second.Channels, channel => channel < 0 ? -1 : first.Channels[channel]);
        (PixelGrid a, PixelGrid b) = (first.Grid, second.Grid);
        first.Grid = a with
        {
            FirstRow = a.FirstRow + (b.FirstRow * a.StepY),
            StepY = a.StepY * b.StepY,
            OutHeight = b.OutHeight,
            FirstColumn = a.FirstColumn + (b.FirstColumn * a.StepX),
            StepX = a.StepX * b.StepX,
            OutWidth = b.OutWidth,
        };
        first.Channels = channels;
        first.Sources = Array.ConvertAll(channels, channel => channel < 0 ? -1 : 0);
        list.Absorb(first, second);
        return true;
    }

    /// <summary>The only reader of an operation's only output, or null.</summary>
    private static Operation? Next(Operation operation) =>
        operation.Outputs is [{ } output] && output.Consumers is [{ } reader] && output.IsOnlyFor(reader) ? reader : null;

    /// <summary>What a binary operation with a constant does to each channel of a layer's output; null when it is something else.</summary>
    private static ChannelConstant? Constant(ConvOperation layer, BinaryOperation binary)
    {
        if (binary.Broadcast == Broadcast.None || binary.Inputs[0] != layer.Outputs[0] || binary.Inputs[1].Constant is not { } constant) return null;
        if (binary.Broadcast == Broadcast.Channel && constant.Count != layer.Shape.OutChannels) return null;
        float[] values = constant.Values<float>().ToArray();
        return binary.Function switch
        {
            BinaryFunction.Add => new ChannelConstant(values, IsProduct: false),
            BinaryFunction.Subtract => new ChannelConstant(Array.ConvertAll(values, value => -value), IsProduct: false),
            BinaryFunction.Multiply => new ChannelConstant(values, IsProduct: true),
            _ => null,
        };
    }
}
