using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace CoInference.Runtime.Tests.Transport;

/// <summary>Certificates as files: an authority with an edge's and a device's certificate, and a stranger's.</summary>
internal sealed class TestCertificates : IDisposable
{
    private const string Password = "only for the test";

    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-tls-").FullName;

    public TestCertificates()
    {
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=test authority", authorityKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using X509Certificate2 authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(Authority, authority.ExportCertificatePem());
        Issue(authority, "CN=edge", "1.3.6.1.5.5.7.3.1", Edge, DateTimeOffset.UtcNow.AddHours(20));
        Issue(authority, "CN=device", "1.3.6.1.5.5.7.3.2", Device, DateTimeOffset.UtcNow.AddHours(20));
        Issue(authority, "CN=late", "1.3.6.1.5.5.7.3.1", Expired, DateTimeOffset.UtcNow.AddHours(-1));

        using var strangerKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 stranger = new CertificateRequest("CN=stranger", strangerKey, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(Stranger, stranger.ExportCertificatePem() + "\n" + strangerKey.ExportPkcs8PrivateKeyPem());
        File.WriteAllBytes(StrangerPfx, stranger.Export(X509ContentType.Pkcs12, Password));
    }

    public static string PfxPassword => Password;

    public string Authority => Path.Combine(_folder, "authority.pem");

    /// <summary>For 127.0.0.1, certificate and key in one file.</summary>
    public string Edge => Path.Combine(_folder, "edge.pem");

    public string Device => Path.Combine(_folder, "device.pem");

    public string Expired => Path.Combine(_folder, "expired.pem");

    /// <summary>Signed by itself.</summary>
    public string Stranger => Path.Combine(_folder, "stranger.pem");

    public string StrangerPfx => Path.Combine(_folder, "stranger.pfx");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static void Issue(X509Certificate2 authority, string name, string use, string path, DateTimeOffset until)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(use)], critical: false));
        using X509Certificate2 issued = request.Create(authority, DateTimeOffset.UtcNow.AddHours(-20), until, RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(path, issued.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem());
    }
}
