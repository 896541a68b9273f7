using System.Globalization;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>The ways to run a layer on a device.</summary>
/// <remarks>As on the CPU, measured and estimated times are never mixed: with one measurement at hand, rows without are left out.</remarks>
internal static class DeviceKernelChoice
{
    // What a unit of DeviceConvKernel.Cost takes on a device of a teraflop per second. Only ratios matter to the choice.
    private const double MicrosecondsPerUnit = 2e-6, LaunchMicroseconds = 5;

    /// <summary>The rows that a session may use.</summary>
    /// <param name="precise">Whether rows with a rounding error beyond that of summation are left out.</param>
    /// <param name="precisions">To what factors may be rounded.</param>
    public static IEnumerable<DeviceConvKernel> Rows(bool precise, params IReadOnlyCollection<ProductPrecision> precisions) =>
        DeviceConvKernels.Within(precisions).Where(kernel => !precise || kernel.ErrorUnits is null);

    /// <summary>Every row that can run a layer, sparse forms included when the weights have the zeros for them.</summary>
    /// <param name="device">The device.</param>
    /// <param name="rows">The rows to choose from; see <see cref="Rows"/>.</param>
    /// <param name="shape">The layer.</param>
    /// <param name="epilogue">What is fused into the store.</param>
    /// <param name="zeros">Zeros of its weights.</param>
    /// <param name="chooser">Source of measured times.</param>
    public static IReadOnlyList<StepVariant> Convolutions(
        ComputeDevice device, IEnumerable<DeviceConvKernel> rows, ConvShape shape, Epilogue epilogue, WeightZeros zeros, KernelChooser chooser)
    {
        StepVariant[] all = [.. AllConvolutions(device, rows, shape, epilogue, zeros, chooser)];
        StepVariant[] measured = [.. all.Where(variant => chooser.MeasuredMicroseconds(variant.ConvolutionKey) is not null)];
        return measured.Length > 0 ? measured : all;
    }

    /// <summary>As <see cref="Convolutions"/>, with the rows that nobody measured.</summary>
    public static IEnumerable<StepVariant> AllConvolutions(
        ComputeDevice device, IEnumerable<DeviceConvKernel> rows, ConvShape shape, Epilogue epilogue, WeightZeros zeros, KernelChooser chooser)
    {
        ActivationLayout[] inputs = epilogue.HasResidual ? [ActivationLayout.Nchw, ActivationLayout.Nchw] : [ActivationLayout.Nchw];
        foreach (DeviceConvKernel kernel in rows)
        {
            double density = kernel.Form switch
            {
                WeightForm.Unstructured => WeightZeros.Bucket(zeros.Weights),
                WeightForm.Block => WeightZeros.Bucket(zeros.Blocks),
                _ => 1,
            };
            if ((kernel.Form != WeightForm.Dense && density >= 1) || !kernel.Supports(shape, device.Limits)) continue;
            string key = string.Create(
                CultureInfo.InvariantCulture,
                $"Conv|gpu.{kernel.Name}|{shape}|{KernelChooser.Describe(epilogue)}|{kernel.Form.ToString().ToLowerInvariant()}@{density:0.#######}|{device.Fingerprint}");
            double time = chooser.MeasuredMicroseconds(key) ?? LaunchMicroseconds + (MicrosecondsPerUnit * kernel.Cost(shape, density, device.Limits));
            yield return new StepVariant(kernel.Name, inputs, [ActivationLayout.Nchw], time, Device: new DeviceCandidate(device, kernel, density, key));
        }
    }
}
