using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace CoInference.Runtime.Transport;

/// <summary>TLS at the edge: its certificate, and which client certificates it asks for, if any.</summary>
public sealed class ServerTls : IDisposable
{
    private readonly X509Certificate2 _certificate;

    private ServerTls(X509Certificate2 certificate, X509Certificate2Collection intermediates, CertificateTrust? clients)
    {
        _certificate = certificate;
        RequiresClientCertificate = clients is not null;
        Options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(certificate, intermediates, offline: true),
            ClientCertificateRequired = clients is not null,
            RemoteCertificateValidationCallback = clients is null ? null : clients.Accepts,
        };
    }

    /// <summary>Whether a device needs a certificate of its own.</summary>
    public bool RequiresClientCertificate { get; }

    internal SslServerAuthenticationOptions Options { get; }

    /// <summary>Reads the files.</summary>
    /// <param name="certificate">The edge's certificate, PEM or PKCS #12 (<c>.pfx</c>, <c>.p12</c>), intermediate ones after it.</param>
    /// <param name="key">PEM file of the private key; null when it is in <paramref name="certificate"/>.</param>
    /// <param name="password">Password of the key; null when it has none.</param>
    /// <param name="clientAuthority">PEM file of authorities, or of single certificates, that a device's certificate must come from; null when devices need none.</param>
    /// <exception cref="InvalidDataException">A file is no certificate or key; the message names it.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static ServerTls Load(string certificate, string? key = null, string? password = null, string? clientAuthority = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(certificate);
        (X509Certificate2 own, X509Certificate2Collection intermediates) = CertificateFiles.ReadIdentity(certificate, key, password);
        CertificateTrust? clients = clientAuthority is null ? null : new CertificateTrust(CertificateFiles.ReadTrusted(clientAuthority), judgesServers: false);
        return new ServerTls(own, intermediates, clients);
    }

    /// <summary>Frees the private key.</summary>
    public void Dispose() => _certificate.Dispose();
}
