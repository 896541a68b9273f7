using CoInference.Kernels.Reference;
using CoInference.Kernels.Simd.Training;

namespace CoInference.Runtime.Training.Steps;

/// <summary>Max or average pooling; a tap in the padding takes no part, unless the average counts it as zero.</summary>
internal sealed unsafe class PoolStep(TrainingValue input, TrainingValue output, SpatialWindow window, bool maximum, bool countsPadding)
    : TrainingStep([input], output)
{
    public override void Forward(int part, int first, int end)
    {
        int lanes = BorderedMap.Lanes;
        for (int image = first; image < end; image++)
        {
            for (int block = 0; block < input.Map.Blocks; block++)
            {
                float* from = input.Map.Plane(image, block);
                for (int y = 0; y < Output.Height; y++)
                {
                    for (int x = 0; x < Output.Width; x++)
                    {
                        float* to = Output.Map.Plane(image, block) + (y * Output.Map.RowStride) + (x * lanes);
                        for (int lane = 0; lane < lanes; lane++) to[lane] = maximum ? float.NegativeInfinity : 0;
                        foreach ((int row, int column) in Taps(y, x))
                        {
                            float* tap = from + (row * input.Map.RowStride) + (column * lanes);
                            for (int lane = 0; lane < lanes; lane++) to[lane] = maximum ? MathF.Max(to[lane], tap[lane]) : to[lane] + tap[lane];
                        }

                        float share = maximum ? 1 : Share(y, x);
                        for (int lane = 0; lane < lanes; lane++) to[lane] *= share;
                    }
                }
            }
        }
    }

    public override void Backward(int part, int first, int end)
    {
        if (InputGradient(0, out bool accumulates) is not { } target) return;
        int lanes = BorderedMap.Lanes;
        float* left = stackalloc float[lanes];
        for (int image = first; image < end; image++)
        {
            for (int block = 0; block < target.Blocks; block++)
            {
                float* to = target.Plane(image, block), from = input.Map.Plane(image, block);
                for (int y = 0; y < input.Height && !accumulates; y++) new Span<float>(to + (y * target.RowStride), input.Width * lanes).Clear();
                for (int y = 0; y < Output.Height; y++)
                {
                    for (int x = 0; x < Output.Width; x++)
                    {
                        float* arrived = Gradient.Plane(image, block) + (y * Gradient.RowStride) + (x * lanes);
                        float* peak = Output.Map.Plane(image, block) + (y * Output.Map.RowStride) + (x * lanes);
                        float share = maximum ? 1 : Share(y, x);
                        for (int lane = 0; lane < lanes; lane++) left[lane] = share * arrived[lane];
                        foreach ((int row, int column) in Taps(y, x))
                        {
                            float* tap = from + (row * input.Map.RowStride) + (column * lanes), sum = to + (row * target.RowStride) + (column * lanes);
                            for (int lane = 0; lane < lanes; lane++)
                            {
                                // Of equal maxima the first takes the whole gradient.
                                if (maximum && tap[lane] != peak[lane]) continue;
                                sum[lane] += left[lane];
                                if (maximum) left[lane] = 0;
                            }
                        }
                    }
                }
            }
        }
    }

    private float Share(int y, int x)
    {
        int taps = 0;
        if (countsPadding)
        {
            // Taps beyond the end padding, which a rounded-up output size may have, never count.
            taps = Padded(0, y) * Padded(1, x);
        }
        else
        {
            foreach (var _ in Taps(y, x)) taps++;
        }

        return 1f / taps;
    }

    private int Padded(int axis, int at)
    {
        int start = (at * window.Strides[axis]) - window.PadsBegin[axis], count = 0;
        for (int tap = 0; tap < window.Kernel[axis]; tap++)
        {
            if (start + (tap * window.Dilations[axis]) < window.Input[axis] + window.PadsEnd[axis]) count++;
        }

        return count;
    }

    private TapEnumerator Taps(int y, int x) => new(window, y, x);

    /// <summary>The taps of one output that lie inside the input, row by row.</summary>
    private ref struct TapEnumerator(SpatialWindow window, int y, int x)
    {
        private int _tap = -1;

        public (int Row, int Column) Current { get; private set; }

        public readonly TapEnumerator GetEnumerator() => this;

        public bool MoveNext()
        {
            while (++_tap < window.Kernel[0] * window.Kernel[1])
            {
                int row = (y * window.Strides[0]) - window.PadsBegin[0] + (_tap / window.Kernel[1] * window.Dilations[0]);
                int column = (x * window.Strides[1]) - window.PadsBegin[1] + (_tap % window.Kernel[1] * window.Dilations[1]);
                if ((uint)row >= (uint)window.Input[0] || (uint)column >= (uint)window.Input[1]) continue;
                Current = (row, column);
                return true;
            }

            return false;
        }
    }
}
