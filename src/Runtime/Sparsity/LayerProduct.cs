using System.Numerics.Tensors;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Gemm;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Sparsity;

/// <summary>Runs a layer over all calibration images.</summary>
internal static class LayerProduct
{
    // The windows of one chunk stay in the second-level cache between being gathered and being multiplied.
    private const int ChunkFloats = 1 << 16;

    /// <summary>Computes the layer's output, bias included.</summary>
    public static void Run(LayerWeights layer, CalibrationActivation input, CalibrationActivation output, WorkerSet workers) =>
        workers.Run(new Work(layer, input, output, workers.Threads), workers.Threads);

    private sealed unsafe class Work : IParallelWork
    {
        private readonly LayerWeights _layer;
        private readonly CalibrationActivation _input;
        private readonly CalibrationActivation _output;
        private readonly int _parts;
        private readonly PackedMatrix[] _groups;

        public Work(LayerWeights layer, CalibrationActivation input, CalibrationActivation output, int parts)
        {
            (_layer, _input, _output, _parts) = (layer, input, output, parts);
            ConvShape shape = layer.Shape;
            _groups = new PackedMatrix[IsDepthwise ? 0 : shape.Groups];
            int outputs = shape.OutChannels / shape.Groups;
            for (int group = 0; group < _groups.Length; group++)
            {
                _groups[group] = PackedMatrix.Allocate(layer.Taps, outputs, layer.Bias.AsSpan(group * outputs, outputs));
                fixed (float* matrix = layer.Matrix) _groups[group].Repack(matrix + (group * outputs), shape.OutChannels, transposed: false);
            }
        }

        private bool IsDepthwise => _layer.Shape.IsDepthwise && _layer.Shape.OutChannels == _layer.Shape.InChannels;

        public void Execute(int part)
        {
            int first = (int)((long)_output.Pixels * part / _parts), end = (int)((long)_output.Pixels * (part + 1) / _parts);
            int chunk = Math.Max(16, ChunkFloats / _layer.Taps / 16 * 16);
            var positions = new int[chunk];
            var patches = new AlignedBuffer((long)chunk * _layer.Taps * sizeof(float));
            AlignedBuffer? scratch = _groups.Length == 0 ? null : new AlignedBuffer(Gemm.ScratchBytes(chunk, _groups[0], threads: 1));
            for (; first < end; first += chunk)
            {
                int count = Math.Min(chunk, end - first);
                for (int i = 0; i < count; i++) positions[i] = first + i;
                if (IsDepthwise) RunDepthwise(positions.AsSpan(0, count), _output.Values.AsSpan(first * _layer.Shape.OutChannels));
                else RunGroups(positions.AsSpan(0, count), first, patches, scratch!);
            }
        }

        private void RunGroups(ReadOnlySpan<int> positions, int first, AlignedBuffer patches, AlignedBuffer scratch)
        {
            ConvShape shape = _layer.Shape;
            var rows = (float*)patches.Pointer;
            fixed (float* values = _input.Values, output = _output.Values)
            {
                float* target = output + ((nint)first * shape.OutChannels);
                for (int group = 0; group < _groups.Length; group++)
                {
                    PackedMatrix matrix = _groups[group];
                    float* a = rows;
                    if (shape is { IsPointwise: true, Groups: 1 }) a = values + ((nint)first * shape.InChannels);
                    else PatchMatrix.Gather(_input, shape, group, positions, new Span<float>(rows, positions.Length * _layer.Taps), _layer.Taps);
                    Gemm.Run(positions.Length, a, _layer.Taps, transposed: false, matrix, null, target + (group * matrix.Columns), shape.OutChannels, scratch.Pointer, WorkerSet.Single);
                }
            }

            GC.KeepAlive(patches);
            GC.KeepAlive(scratch);
        }

        private void RunDepthwise(ReadOnlySpan<int> positions, Span<float> target)
        {
            ConvShape shape = _layer.Shape;
            int channels = shape.InChannels, outHeight = shape.OutHeight, outWidth = shape.OutWidth;
            for (int i = 0; i < positions.Length; i++)
            {
                int image = positions[i] / (outHeight * outWidth), pixel = positions[i] % (outHeight * outWidth);
                Span<float> sum = target.Slice(i * channels, channels);
                _layer.Bias.CopyTo(sum);
                for (int ky = 0; ky < shape.KernelHeight; ky++)
                {
                    int y = (pixel / outWidth * shape.StrideY) - shape.PadTop + (ky * shape.DilationY);
                    if ((uint)y >= (uint)shape.InHeight) continue;
                    for (int kx = 0; kx < shape.KernelWidth; kx++)
                    {
                        int x = (pixel % outWidth * shape.StrideX) - shape.PadLeft + (kx * shape.DilationX);
                        if ((uint)x >= (uint)shape.InWidth) continue;
                        ReadOnlySpan<float> source = _input.Values.AsSpan(((((image * shape.InHeight) + y) * shape.InWidth) + x) * channels, channels);
                        ReadOnlySpan<float> weights = _layer.Matrix.AsSpan(((ky * shape.KernelWidth) + kx) * channels, channels);
                        TensorPrimitives.MultiplyAdd(source, weights, sum, sum);
                    }
                }
            }
        }
    }
}
