using System.Text.Json.Serialization;

namespace CoInference.Runtime.Plans;

/// <summary>How an image crosses the link when the whole network runs on the edge.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<InputCoding>))]
public enum InputCoding
{
    /// <summary>One byte per channel and pixel, CHW order.</summary>
    [JsonStringEnumMemberName("pixels")]
    Pixels,

    /// <summary>A PNG file: lossless, usually smaller.</summary>
    [JsonStringEnumMemberName("png")]
    Png,

    /// <summary>A JPEG file, through libjpeg-turbo: small, but lossy.</summary>
    [JsonStringEnumMemberName("jpeg")]
    Jpeg,
}
