namespace CoInference.Kernels.Simd.Training;

/// <summary>
/// A correlation of one plane set with a list of taps: out(y, x) = sum over taps of in(y rowStep + x pitch + offset) x
/// weight. The forward pass is one; the gradient of the input is one for each phase of the stride.
/// </summary>
/// <param name="Taps">Index of each tap within the kernel.</param>
/// <param name="Offsets">Offset of each tap from the pixel's input, in floats.</param>
/// <param name="Rows">Output rows.</param>
/// <param name="Columns">Output columns.</param>
/// <param name="InputRowStep">Floats between the inputs of consecutive output rows.</param>
/// <param name="InputPitch">Floats between the inputs of neighbouring output pixels.</param>
/// <param name="OutputStart">Offset of the first output pixel.</param>
/// <param name="OutputRowStep">Floats between output rows.</param>
/// <param name="OutputPitch">Floats between output pixels.</param>
internal sealed record TapSweep(
    int[] Taps, nint[] Offsets, int Rows, int Columns, nint InputRowStep, nint InputPitch, nint OutputStart, nint OutputRowStep, nint OutputPitch)
{
    /// <summary>The forward pass.</summary>
    public static TapSweep Forward(ConvGradientShape shape, MapGeometry input, MapGeometry output)
    {
        int lanes = BorderedMap.Lanes;
        var offsets = new nint[shape.Taps];
        for (int tap = 0; tap < offsets.Length; tap++)
            offsets[tap] = InputOffset(shape, input, tap);
        return new TapSweep(
            [.. Enumerable.Range(0, shape.Taps)], offsets, shape.OutHeight, shape.OutWidth,
            shape.StrideY * input.RowStride, shape.StrideX * lanes, 0, output.RowStride, lanes);
    }

    /// <summary>The gradient of the input, one sweep per phase of the stride.</summary>
    public static List<TapSweep> Backward(ConvGradientShape shape, MapGeometry gradient, MapGeometry inputGradient)
    {
        int lanes = BorderedMap.Lanes;
        var sweeps = new List<TapSweep>();
        for (int phaseY = 0; phaseY < Math.Min(shape.StrideY, shape.InHeight); phaseY++)
        {
            List<(int Tap, int Offset)> down = ConvGradientShape.PhaseTaps(phaseY, shape.KernelHeight, shape.StrideY, shape.PadTop, shape.DilationY);
            for (int phaseX = 0; phaseX < Math.Min(shape.StrideX, shape.InWidth); phaseX++)
            {
                List<(int Tap, int Offset)> right = ConvGradientShape.PhaseTaps(phaseX, shape.KernelWidth, shape.StrideX, shape.PadLeft, shape.DilationX);
                var taps = from y in down from x in right select (Tap: (y.Tap * shape.KernelWidth) + x.Tap, Offset: (y.Offset * gradient.RowStride) + ((nint)x.Offset * lanes));
                sweeps.Add(new TapSweep(
                    [.. taps.Select(tap => tap.Tap)], [.. taps.Select(tap => tap.Offset)],
                    ((shape.InHeight - 1 - phaseY) / shape.StrideY) + 1, ((shape.InWidth - 1 - phaseX) / shape.StrideX) + 1,
                    gradient.RowStride, lanes,
                    (phaseY * inputGradient.RowStride) + ((nint)phaseX * lanes), shape.StrideY * inputGradient.RowStride, (nint)shape.StrideX * lanes));
            }
        }

        return sweeps;
    }

    /// <summary>Offset of a kernel tap in the input.</summary>
    public static nint InputOffset(ConvGradientShape shape, MapGeometry input, int tap) =>
        (((tap / shape.KernelWidth * shape.DilationY) - shape.PadTop) * input.RowStride)
        + ((nint)((tap % shape.KernelWidth * shape.DilationX) - shape.PadLeft) * BorderedMap.Lanes);
}
