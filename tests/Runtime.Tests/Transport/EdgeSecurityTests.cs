using System.Net.Security;
using System.Net.Sockets;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Transport;
using CoInference.Runtime.Transport.Telemetry;

namespace CoInference.Runtime.Tests.Transport;

/// <summary>Who gets an answer, and who does not.</summary>
public sealed class EdgeSecurityTests : IDisposable
{
    private readonly TestCertificates _files = new();

    public static TheoryData<string> WrongTrust => new("other authority", "other name", "device's certificate", "expired", "system");

    public void Dispose() => _files.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_device_that_pins_the_authority_or_the_certificate_is_answered_over_tls(bool pinsAuthority)
    {
        using ServerTls serverTls = ServerTls.Load(_files.Edge);
        using ClientTls clientTls = ClientTls.Load(pinsAuthority ? _files.Authority : _files.Edge);
        using var running = new RunningServer(new EdgeServerOptions { Tls = serverTls });
        running.AssertServes(new EdgeClientOptions { Tls = clientTls });
    }

    [Theory]
    [MemberData(nameof(WrongTrust))]
    public void A_device_does_not_talk_to_an_edge_that_it_cannot_trust(string kind)
    {
        string shown = kind switch { "device's certificate" => _files.Device, "expired" => _files.Expired, _ => _files.Edge };
        using ServerTls serverTls = ServerTls.Load(shown);
        using ClientTls clientTls = ClientTls.Load(
            kind switch { "system" => null, "other authority" => _files.Stranger, _ => _files.Authority }, kind == "other name" ? "somebody.example" : null);
        using var running = new RunningServer(new EdgeServerOptions { Tls = serverTls });
        var failure = Assert.Throws<EdgeException>(() => running.Connect(new EdgeClientOptions { Tls = clientTls }));
        Assert.Contains("TLS", failure.Message);
        Assert.False(failure.IsTransient);
        Assert.DoesNotContain(running.Log, entry => entry.Kind == EdgeEventKind.Connected);
    }

    [Fact]
    public void A_certificate_and_its_key_are_read_from_a_pkcs12_file()
    {
        using ServerTls serverTls = ServerTls.Load(_files.StrangerPfx, password: TestCertificates.PfxPassword);
        using ClientTls clientTls = ClientTls.Load(_files.Stranger);
        using var running = new RunningServer(new EdgeServerOptions { Tls = serverTls });
        running.AssertServes(new EdgeClientOptions { Tls = clientTls });
        Assert.Contains(_files.StrangerPfx, Assert.Throws<InvalidDataException>(() => ServerTls.Load(_files.StrangerPfx, password: "wrong")).Message);
        Assert.Contains(_files.Authority, Assert.Throws<InvalidDataException>(() => ServerTls.Load(_files.Authority)).Message);
    }

    [Fact]
    public void An_edge_that_asks_for_client_certificates_answers_nobody_else()
    {
        using ServerTls serverTls = ServerTls.Load(_files.Edge, clientAuthority: _files.Authority);
        using var running = new RunningServer(new EdgeServerOptions { Tls = serverTls });
        foreach (string? certificate in (string?[])[null, _files.Stranger, _files.Edge])
        {
            using ClientTls without = ClientTls.Load(_files.Authority, certificate: certificate);
            Assert.Throws<EdgeException>(() => running.Connect(new EdgeClientOptions { Tls = without }));
        }

        Assert.Throws<EdgeException>(() => running.Connect());
        Assert.DoesNotContain(running.Log, entry => entry.Kind == EdgeEventKind.Connected);
        using ClientTls with = ClientTls.Load(_files.Authority, certificate: _files.Device);
        running.AssertServes(new EdgeClientOptions { Tls = with });
    }

    [Fact]
    public async Task Stopping_over_tls_answers_what_has_begun_to_arrive()
    {
        using ServerTls serverTls = ServerTls.Load(_files.Edge);
        using var running = new RunningServer(new EdgeServerOptions { Tls = serverTls, DrainTimeout = TimeSpan.FromSeconds(20) });
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(running.Server.Address.Host, running.Server.Address.Port);
        await using var stream = new SslStream(new NetworkStream(socket));
        using ClientTls clientTls = ClientTls.Load(_files.Authority);
        await stream.AuthenticateAsClientAsync(clientTls.Options("127.0.0.1"));
        var hello = new byte[Handshake.Bytes];
        Handshake.WriteHello(hello, running.Bundle.Id);
        await stream.WriteAsync(hello);
        Assert.Equal(ReplyStatus.Ok, await ReadStatusAsync(stream));
        byte[] frame = running.Frame(0, 1);
        await stream.WriteAsync(frame.AsMemory(0, 70));
        await Task.Delay(100);
        running.BeginStop();
        Assert.True(SpinWait.SpinUntil(() => running.Server.IsStopping, 5000));
        await stream.WriteAsync(frame.AsMemory(70));
        Assert.Equal(ReplyStatus.Ok, await ReadStatusAsync(stream));
        Assert.Equal(0, await stream.ReadAsync(new byte[1]));
        await running.StopAsync();
        Assert.Equal(1, running.Server.Answered);
    }

    [Fact]
    public void Plain_and_secured_sides_do_not_understand_each_other_and_say_so()
    {
        using ServerTls serverTls = ServerTls.Load(_files.Edge);
        using ClientTls clientTls = ClientTls.Load(_files.Authority);
        using var secured = new RunningServer(new EdgeServerOptions { Tls = serverTls });
        using var plain = new RunningServer();
        Assert.Throws<EdgeException>(() => secured.Connect());
        Assert.Contains("TLS", Assert.Throws<EdgeException>(() => plain.Connect(new EdgeClientOptions { Tls = clientTls, ConnectTimeout = TimeSpan.FromSeconds(2) })).Message);
        secured.AssertServes(new EdgeClientOptions { Tls = clientTls });
        plain.AssertServes();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("0123456789abcdeX")]
    [InlineData("0123456789abcdef0")]
    public void Without_the_right_token_nobody_gets_an_answer(string? wrong)
    {
        var token = new AccessToken("0123456789abcdef");
        using var running = new RunningServer(new EdgeServerOptions { Token = token });
        var failure = Assert.Throws<EdgeException>(() => running.Connect(new EdgeClientOptions { Token = wrong is null ? null : new AccessToken(wrong) }));
        Assert.Equal(ReplyStatus.Unauthorized, failure.Status);
        Assert.False(failure.IsTransient);
        Assert.Contains("token", failure.Message);
        Assert.DoesNotContain(running.Log, entry => entry.Kind == EdgeEventKind.Connected);
        running.AssertServes(new EdgeClientOptions { Token = token });
    }

    [Fact]
    public void A_stranger_is_not_told_which_bundle_is_served()
    {
        using var running = new RunningServer(new EdgeServerOptions { Token = new AccessToken("0123456789abcdef") });
        var failure = Assert.Throws<EdgeException>(() => EdgeClient.Connect(running.Server.Address, TestBundles.Split(bits: 5)));
        Assert.DoesNotContain(running.Bundle.Id[..12], failure.Message);
    }

    [Fact]
    public void A_proof_is_of_use_for_one_challenge_and_one_bundle_only()
    {
        var token = new AccessToken("0123456789abcdef");
        byte[] nonce = new byte[Handshake.NonceBytes], other = new byte[Handshake.NonceBytes];
        other[5] = 1;
        byte[] proof = token.Prove(nonce, "a");
        Assert.True(token.Accepts(proof, nonce, "a"));
        Assert.False(token.Accepts(proof, other, "a"));
        Assert.False(token.Accepts(proof, nonce, "b"));
    }

    [Fact]
    public void A_token_comes_from_a_file_or_the_environment_and_is_long_enough()
    {
        string file = Path.Combine(Path.GetDirectoryName(_files.Edge)!, "token");
        File.WriteAllText(file, " 0123456789abcdef\n");
        Environment.SetEnvironmentVariable("COINFERENCE_TEST_TOKEN", "0123456789abcdef");
        byte[] nonce = new byte[Handshake.NonceBytes];
        Assert.Equal(AccessToken.FromFile(file).Prove(nonce, "a"), AccessToken.FromEnvironment("COINFERENCE_TEST_TOKEN").Prove(nonce, "a"));
        File.WriteAllText(file, "short");
        string message = Assert.Throws<InvalidDataException>(() => AccessToken.FromFile(file)).Message;
        Assert.Contains(file, message);
        Assert.DoesNotContain("short", message.Replace(file, ""));
        Assert.Contains("COINFERENCE_TEST_ABSENT", Assert.Throws<InvalidDataException>(() => AccessToken.FromEnvironment("COINFERENCE_TEST_ABSENT")).Message);
    }

    private static async Task<ReplyStatus> ReadStatusAsync(Stream stream)
    {
        var bytes = new byte[FeatureFrame.ReplyHeaderBytes];
        await stream.ReadExactlyAsync(bytes);
        ReplyHeader header = FeatureFrame.ReadReplyHeader(bytes, 1 << 20);
        await stream.ReadExactlyAsync(new byte[header.BodyBytes]);
        return header.Status;
    }
}
