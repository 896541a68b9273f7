using CoInference.Kernels.Simd.Training;

namespace CoInference.Runtime.Training.Steps;

/// <summary>
/// Puts each input's elements at other places of the output and zeros elsewhere: concatenation, slices with steps, zero
/// padding of channels or borders, and flattening.
/// </summary>
internal sealed unsafe class PlacementStep(TrainingValue[] inputs, TrainingValue output, Placement[] placements) : TrainingStep(inputs, output)
{
    private Run[][] _runs = [];

    public override void Allocate(int batch, int parts)
    {
        base.Allocate(batch, parts);
        _runs = [.. placements.Select((placement, index) => Runs(placement, Inputs[index]).ToArray())];
    }

    public override void Forward(int part, int first, int end)
    {
        // What no input reaches was zero when the map was allocated and is never written.
        for (int image = first; image < end; image++)
        {
            for (int index = 0; index < placements.Length; index++)
            {
                TrainingValue input = Inputs[index];
                foreach (Run run in _runs[index])
                {
                    Copy(run.Count, Address(input.Map, image, run.From), placements[index].StepX * BorderedMap.Lanes, Address(Output.Map, image, run.To), run.ToStep, false);
                }
            }
        }
    }

    public override void Backward(int part, int first, int end)
    {
        for (int index = 0; index < placements.Length; index++)
        {
            if (InputGradient(index, out bool accumulates) is not { } target) continue;
            for (int image = first; image < end; image++)
            {
                if (!accumulates) Clear(target, image);
                foreach (Run run in _runs[index])
                    Copy(run.Count, Address(Gradient, image, run.To), run.ToStep, Address(target, image, run.From), placements[index].StepX * BorderedMap.Lanes, accumulates);
            }
        }
    }

    private static void Clear(BorderedMap map, int image)
    {
        for (int block = 0; block < map.Blocks; block++)
        {
            for (int y = 0; y < map.Height; y++) new Span<float>(map.Plane(image, block) + (y * map.RowStride), map.Width * BorderedMap.Lanes).Clear();
        }
    }

    private static float* Address(BorderedMap map, int image, (int Channel, int Row, int Column) at) =>
        map.Plane(image, at.Channel / BorderedMap.Lanes) + (at.Row * map.RowStride) + ((nint)at.Column * BorderedMap.Lanes) + (at.Channel % BorderedMap.Lanes);

    private static void Copy(int count, float* from, nint fromStep, float* to, nint toStep, bool accumulate)
    {
        for (; count > 0; count--, from += fromStep, to += toStep) *to = accumulate ? *to + *from : *from;
    }

    /// <summary>Rows of elements that lie evenly spaced in input and output; a flattened output is walked element by element.</summary>
    private IEnumerable<Run> Runs(Placement placement, TrainingValue input)
    {
        for (int channel = 0; channel < input.Channels; channel++)
        {
            int target = channel + placement.Channel;
            if (!placement.Flattens && (uint)target >= (uint)Output.Channels) continue;
            for (int row = placement.StartY, y = 0; row < input.Height && y < placement.Rows; row += placement.StepY, y++)
            {
                if (placement.Flattens)
                {
                    for (int x = 0; x < input.Width; x++)
                        yield return new Run(1, (channel, row, x), ((((channel * input.Height) + row) * input.Width) + x, 0, 0), 0);
                }
                else
                {
                    yield return new Run(placement.Columns, (channel, row, placement.StartX), (target, y + placement.Row, placement.Column), BorderedMap.Lanes);
                }
            }
        }
    }

    private readonly record struct Run(int Count, (int Channel, int Row, int Column) From, (int Channel, int Row, int Column) To, int ToStep);
}

/// <summary>Where a <see cref="PlacementStep"/> takes an input's elements from and puts them.</summary>
/// <param name="StartY">First row taken.</param>
/// <param name="StepY">Rows between those taken.</param>
/// <param name="Rows">Rows taken.</param>
/// <param name="StartX">First column taken.</param>
/// <param name="StepX">Columns between those taken.</param>
/// <param name="Columns">Columns taken.</param>
/// <param name="Channel">Added to the channel; a channel outside the output is dropped.</param>
/// <param name="Row">First row written.</param>
/// <param name="Column">First column written.</param>
/// <param name="Flattens">Whether channel, row and column become the channel.</param>
internal readonly record struct Placement(
    int StartY, int StepY, int Rows, int StartX, int StepX, int Columns, int Channel, int Row, int Column, bool Flattens);
