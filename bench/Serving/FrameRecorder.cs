using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using CoInference.Kernels.Simd.Codec;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;

namespace CoInference.Bench.Serving;

/// <summary>Listens to a good device, to learn what it sends: an edge that admits it, and answers each request with zeros.</summary>
internal static class FrameRecorder
{
    /// <summary>The request frame of each image, ids from 1 on, without deadlines.</summary>
    public static byte[][] Record(Bundle bundle, ImageSet images)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        int port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        Task device = Task.Run(() =>
        {
            using var runner = new DeviceRunner(bundle, new EdgeAddress("127.0.0.1", port));
            var logits = new float[bundle.Classes];
            for (int i = 0; i < images.Count; i++) runner.Run(images.Image(i), logits);
        });
        using Socket socket = listener.Accept();
        Receive(socket, 44);
        var reply = new byte[FeatureFrame.ReplyBytes(bundle.Classes, "")];
        socket.Send(reply.AsSpan(0, FeatureFrame.WriteReply(reply, bundle.WireId, 0, ReplyStatus.Ok, default, default, default, [])));
        var frames = new byte[images.Count][];
        for (int i = 0; i < frames.Length; i++)
        {
            byte[] header = Receive(socket, FeatureFrame.RequestHeaderBytes);
            RequestHeader request = FeatureFrame.ReadRequestHeader(header, int.MaxValue);
            byte[] payload = Receive(socket, request.PayloadBytes);
            frames[i] = [.. WithoutDeadline(header), .. payload];
            socket.Send(reply.AsSpan(0, FeatureFrame.WriteReply(reply, bundle.WireId, request.RequestId, ReplyStatus.Ok, default, default, default, new float[bundle.Classes])));
        }

        device.Wait();
        return frames;
    }

    /// <summary>One request frame of each plan of a set that an edge serves, with a good device's handshake.</summary>
    public static byte[][] Record(PlanSet plans, ImageSet images, out byte[] hello)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        int port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        Task device = Task.Run(() =>
        {
            using TargetSet targets = TargetSet.Open(plans, new TargetSetOptions { Edge = new EdgeAddress("127.0.0.1", port) });
            var logits = new float[plans.Classes];
            for (int target = 0; target < targets.Targets.Count; target++) targets.Run(target, images.Image(0), logits, TimeSpan.FromSeconds(10), double.NaN);
        });
        using Socket socket = listener.Accept();
        hello = Receive(socket, 44);
        var reply = new byte[FeatureFrame.ReplyBytes(plans.Classes, "")];
        socket.Send(reply.AsSpan(0, FeatureFrame.WriteReply(reply, 0, 0, ReplyStatus.Ok, default, default, default, [])));
        var frames = new byte[plans.Plans.Count(plan => plan.Bundle.Edge is not null)][];
        for (int i = 0; i < frames.Length; i++)
        {
            byte[] header = Receive(socket, FeatureFrame.RequestHeaderBytes);
            RequestHeader request = FeatureFrame.ReadRequestHeader(header, int.MaxValue);
            frames[i] = [.. WithoutDeadline(header), .. Receive(socket, request.PayloadBytes)];
            socket.Send(reply.AsSpan(0, FeatureFrame.WriteReply(reply, request.PlanId, request.RequestId, ReplyStatus.Ok, default, default, default, new float[plans.Classes])));
        }

        device.Wait();
        return frames;
    }

    /// <summary>A deadline would run out while the frame is sent again and again.</summary>
    private static byte[] WithoutDeadline(byte[] header)
    {
        header.AsSpan(24, 4).Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(FeatureFrame.RequestHeaderBytes - 4), Crc32C.Compute(header.AsSpan(0, FeatureFrame.RequestHeaderBytes - 4)));
        return header;
    }

    private static byte[] Receive(Socket socket, int count)
    {
        var bytes = new byte[count];
        for (int received = 0; received < count;)
            received += socket.Receive(bytes.AsSpan(received)) is > 0 and var now ? now : throw new EndOfStreamException("The device closed its connection.");
        return bytes;
    }
}
