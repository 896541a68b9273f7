using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Transport;

/// <summary>Where the device's share of an inference leaves its parts; large enough for each of the plans that share it.</summary>
internal sealed class DeviceMemory
{
    private DeviceMemory(int input, int output, int frame) => (Input, Output, Frame) = (new float[input], new float[output], new byte[frame]);

    /// <summary>The preprocessed image.</summary>
    public float[] Input { get; }

    /// <summary>The feature, or the logits.</summary>
    public float[] Output { get; }

    /// <summary>The request.</summary>
    public byte[] Frame { get; }

    /// <summary>Memory for plans that are run one after the other.</summary>
    public static DeviceMemory For(params ReadOnlySpan<Bundle> plans)
    {
        int input = 0, output = 0, frame = 0;
        foreach (Bundle plan in plans)
        {
            // Pixels that cross as they are need no preprocessing on this side.
            if (!SendsPixels(plan)) input = Math.Max(input, plan.ImageShape.Count);
            if (plan.Device is not null) output = Math.Max(output, OutputLength(plan));
            if (plan.Edge is not null) frame = Math.Max(frame, DeviceHalf.MaxFrameBytes(plan));
        }

        return new DeviceMemory(input, output, frame);
    }

    /// <summary>Values that a plan's device half leaves; 0 when it sends the image as it is.</summary>
    public static int OutputLength(Bundle plan) => SendsPixels(plan) ? 0 : plan.Codec?.FeatureShape.Count ?? plan.Classes;

    /// <summary>Whether a plan sends the image as it is.</summary>
    public static bool SendsPixels(Bundle plan) => plan.Device is null && plan.Codec is null;
}
