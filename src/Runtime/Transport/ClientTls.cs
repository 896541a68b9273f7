using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace CoInference.Runtime.Transport;

/// <summary>TLS at the device: whom it trusts, and the certificate it shows, if any.</summary>
public sealed class ClientTls : IDisposable
{
    private readonly X509Certificate2? _own;
    private readonly SslStreamCertificateContext? _context;
    private readonly CertificateTrust? _trust;
    private readonly string? _name;

    private ClientTls(X509Certificate2? own, SslStreamCertificateContext? context, CertificateTrust? trust, string? name) =>
        (_own, _context, _trust, _name) = (own, context, trust, name);

    /// <summary>Reads the files.</summary>
    /// <param name="trusted">PEM file of the authority, or of the very certificate, that the edge must show; null for what the system trusts.</param>
    /// <param name="name">Name that the edge's certificate must carry; null for the host that is connected to.</param>
    /// <param name="certificate">The device's certificate, PEM or PKCS #12; null for none.</param>
    /// <param name="key">PEM file of its private key; null when it is in <paramref name="certificate"/>.</param>
    /// <param name="password">Password of the key; null when it has none.</param>
    /// <exception cref="InvalidDataException">A file is no certificate or key; the message names it.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static ClientTls Load(string? trusted = null, string? name = null, string? certificate = null, string? key = null, string? password = null)
    {
        CertificateTrust? trust = trusted is null ? null : new CertificateTrust(CertificateFiles.ReadTrusted(trusted), judgesServers: true);
        if (certificate is null) return new ClientTls(null, null, trust, name);
        (X509Certificate2 own, X509Certificate2Collection intermediates) = CertificateFiles.ReadIdentity(certificate, key, password);
        return new ClientTls(own, SslStreamCertificateContext.Create(own, intermediates, offline: true), trust, name);
    }

    /// <summary>Frees the private key, if there is one.</summary>
    public void Dispose() => _own?.Dispose();

    internal SslClientAuthenticationOptions Options(string host) => new()
    {
        TargetHost = _name ?? host,
        ClientCertificateContext = _context,
        RemoteCertificateValidationCallback = _trust is null ? null : _trust.Accepts,
    };
}
