using CoInference.Runtime.Codec;

namespace CoInference.Runtime.Tests.Codec;

public class FeatureFrameTests
{
    private const int Limit = 1 << 20;

    [Fact]
    public void RequestRoundTrips()
    {
        byte[] frame = Request([1, 2, 3, 4, 5]);
        RequestHeader header = FeatureFrame.ReadRequest(frame, Limit, out ReadOnlySpan<byte> payload);
        Assert.Equal(7ul, header.PlanId);
        Assert.Equal(ulong.MaxValue, header.RequestId);
        Assert.Equal(3, header.Bits);
        Assert.Equal(EntropyMode.Coded, header.Coder);
        Assert.Equal([1, 2, 3, 4, 5], payload.ToArray());
    }

    [Fact]
    public void DeadlineIsAddedToAWrittenRequest()
    {
        byte[] frame = Request([1, 2, 3]);
        Assert.Equal(TimeSpan.Zero, FeatureFrame.ReadRequest(frame, Limit, out _).Deadline);
        foreach ((TimeSpan given, TimeSpan read) in new[]
        {
            (TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(50)),
            (TimeSpan.FromMilliseconds(-5), FeatureFrame.DeadlineUnit),
            (TimeSpan.FromSeconds(1600), TimeSpan.FromSeconds(1600)),
            (TimeSpan.FromHours(1), TimeSpan.FromHours(1)),
            (TimeSpan.FromDays(10), TimeSpan.Zero),
        })
        {
            FeatureFrame.WriteDeadline(frame.AsSpan(0, FeatureFrame.RequestHeaderBytes), given);
            RequestHeader header = FeatureFrame.ReadRequest(frame, Limit, out _);
            Assert.Equal((read, 3), (header.Deadline, header.PayloadBytes));
        }
    }

    [Fact]
    public void CancellationRoundTripsAndEveryDamagedBitIsFound()
    {
        var frame = new byte[FeatureFrame.RequestHeaderBytes];
        FeatureFrame.WriteCancellation(frame, 7, 42);
        Assert.True(FeatureFrame.IsCancellation(frame));
        Assert.Equal(42ul, FeatureFrame.ReadCancellation(frame));
        Assert.False(FeatureFrame.IsCancellation(Request([1])));
        for (int bit = 0; bit < frame.Length * 8; bit++)
        {
            frame[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Throws<InvalidDataException>(() => FeatureFrame.ReadCancellation(frame));
            frame[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void ReplyRoundTrips()
    {
        var outputs = new[] { 1.5f, -2f, float.MaxValue };
        var frame = new byte[FeatureFrame.ReplyBytes(3, "")];
        int length = FeatureFrame.WriteReply(frame, 1, 2, ReplyStatus.Ok, TimeSpan.FromMicroseconds(3), TimeSpan.FromMicroseconds(40), TimeSpan.FromMilliseconds(5), outputs);
        ReplyHeader header = FeatureFrame.ReadReplyHeader(frame.AsSpan(0, FeatureFrame.ReplyHeaderBytes), Limit);
        var read = new float[3];
        string message = FeatureFrame.ReadReplyBody(header, frame.AsSpan(FeatureFrame.ReplyHeaderBytes, length - FeatureFrame.ReplyHeaderBytes), read);
        Assert.Equal((ReplyStatus.Ok, 3u, 40u, 5000u, ""), (header.Status, header.QueueMicroseconds, header.DecodeMicroseconds, header.ComputeMicroseconds, message));
        Assert.Equal(outputs, read);
    }

    [Theory]
    [InlineData("the codec does not fit")]
    [InlineData("größer")]
    public void RefusalCarriesItsMessage(string message)
    {
        var frame = new byte[FeatureFrame.ReplyBytes(0, message)];
        FeatureFrame.WriteReply(frame, 1, 2, ReplyStatus.BadRequest, default, default, default, [], message, TimeSpan.FromMilliseconds(12.3));
        ReplyHeader header = FeatureFrame.ReadReplyHeader(frame.AsSpan(0, FeatureFrame.ReplyHeaderBytes), Limit);
        Assert.Equal(13u, header.RetryAfterMilliseconds);
        Assert.Equal(message, FeatureFrame.ReadReplyBody(header, frame.AsSpan(FeatureFrame.ReplyHeaderBytes), []));
    }

    [Fact]
    public void LongMessageIsCut()
    {
        string message = new('ä', 4000);
        var frame = new byte[FeatureFrame.ReplyBytes(0, message)];
        FeatureFrame.WriteReply(frame, 1, 2, ReplyStatus.Failed, default, default, default, [], message);
        ReplyHeader header = FeatureFrame.ReadReplyHeader(frame.AsSpan(0, FeatureFrame.ReplyHeaderBytes), Limit);
        Assert.Equal(FeatureFrame.MaxMessageBytes, header.MessageBytes);
        Assert.StartsWith("ää", FeatureFrame.ReadReplyBody(header, frame.AsSpan(FeatureFrame.ReplyHeaderBytes), []), StringComparison.Ordinal);
    }

    [Fact]
    public void FrameBeyondTheLimitIsRefusedByItsHeader()
    {
        byte[] frame = Request(new byte[100]);
        var failure = Assert.Throws<InvalidDataException>(() => FeatureFrame.ReadRequestHeader(frame.AsSpan(0, FeatureFrame.RequestHeaderBytes), 139));
        Assert.Contains("139", failure.Message, StringComparison.Ordinal);
        Assert.Equal(100, FeatureFrame.ReadRequestHeader(frame.AsSpan(0, FeatureFrame.RequestHeaderBytes), 140).PayloadBytes);
    }

    [Fact]
    public void EveryDamagedBitIsFound()
    {
        // A CRC finds every single flipped bit.
        byte[] frame = Request([9, 8, 7, 6]);
        for (int bit = 0; bit < frame.Length * 8; bit++)
        {
            frame[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Throws<InvalidDataException>(() => FeatureFrame.ReadRequest(frame, Limit, out _));
            frame[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void RandomBytesAndCutFramesAreRefused()
    {
        var random = new Random(11);
        byte[] frame = Request([1, 2, 3]);
        for (int length = 0; length < frame.Length; length++) Assert.Throws<InvalidDataException>(() => FeatureFrame.ReadRequest(frame.AsSpan(0, length), Limit, out _));
        for (int i = 0; i < 2000; i++)
        {
            var noise = new byte[random.Next(120)];
            random.NextBytes(noise);
            Assert.Throws<InvalidDataException>(() => FeatureFrame.ReadRequest(noise, Limit, out _));
            Assert.Throws<InvalidDataException>(() => FeatureFrame.ReadReplyHeader(noise, Limit));
        }
    }

    [Fact]
    public void HeaderWithAValidChecksumButWrongFieldsIsRefused()
    {
        // Rewrites one header byte and repairs the checksum, so that the field checks themselves are reached.
        var random = new Random(12);
        for (int i = 0; i < 4000; i++)
        {
            byte[] frame = Request([1, 2, 3]);
            frame[random.Next(4, FeatureFrame.RequestHeaderBytes - 4)] = (byte)random.Next(256);
            uint checksum = Kernels.Simd.Codec.Crc32C.Compute(frame.AsSpan(0, FeatureFrame.RequestHeaderBytes - 4));
            BitConverter.TryWriteBytes(frame.AsSpan(FeatureFrame.RequestHeaderBytes - 4), checksum);
            try
            {
                RequestHeader header = FeatureFrame.ReadRequest(frame, Limit, out ReadOnlySpan<byte> payload);
                Assert.Equal(3, payload.Length);
                Assert.True(header.Bits is (>= 1 and <= 8) or 32);
            }
            catch (InvalidDataException)
            {
                // The other allowed outcome.
            }
        }
    }

    private static byte[] Request(byte[] payload)
    {
        var frame = new byte[FeatureFrame.RequestHeaderBytes + payload.Length];
        payload.CopyTo(frame, FeatureFrame.RequestHeaderBytes);
        Assert.Equal(frame.Length, FeatureFrame.WriteRequest(frame, 7, ulong.MaxValue, 3, EntropyMode.Coded, payload.Length));
        return frame;
    }
}
