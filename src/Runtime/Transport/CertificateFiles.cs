using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace CoInference.Runtime.Transport;

/// <summary>Reads certificates and keys from PEM and PKCS #12 files.</summary>
internal static class CertificateFiles
{
    /// <summary>Reads a certificate with its private key, and the certificates that follow it in the file.</summary>
    /// <param name="path">PEM, or PKCS #12 (<c>.pfx</c>, <c>.p12</c>).</param>
    /// <param name="keyPath">PEM file of the key; null when the key is in <paramref name="path"/>.</param>
    /// <param name="password">Password of the key; null when it has none.</param>
    /// <returns>The certificate, and the intermediate ones to send with it.</returns>
    /// <exception cref="InvalidDataException">A file is no certificate or key, or the two do not belong together.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static (X509Certificate2 Certificate, X509Certificate2Collection Intermediates) ReadIdentity(string path, string? keyPath, string? password)
    {
        try
        {
            return IsPkcs12(path) ? ReadPkcs12(path, password) : ReadPem(path, keyPath ?? path, password);
        }
        catch (CryptographicException failure)
        {
            throw new InvalidDataException($"Certificate '{path}': {failure.Message.TrimEnd('.')}; expected a certificate with its private key, as PEM or PKCS #12.", failure);
        }
    }

    /// <summary>Reads the certificates to trust.</summary>
    /// <exception cref="InvalidDataException">The file holds none.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static X509Certificate2Collection ReadTrusted(string path)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(File.ReadAllText(path));
        }
        catch (CryptographicException failure)
        {
            throw new InvalidDataException($"Certificate '{path}': {failure.Message}", failure);
        }

        return certificates.Count > 0 ? certificates : throw new InvalidDataException($"Certificate '{path}' holds no certificate in PEM form.");
    }

    private static bool IsPkcs12(string path) =>
        path.EndsWith(".pfx", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".p12", StringComparison.OrdinalIgnoreCase);

    private static (X509Certificate2, X509Certificate2Collection) ReadPkcs12(string path, string? password)
    {
        X509Certificate2Collection all = X509CertificateLoader.LoadPkcs12CollectionFromFile(path, password);
        X509Certificate2 own = all.FirstOrDefault(certificate => certificate.HasPrivateKey) ?? throw new InvalidDataException($"Certificate '{path}' holds no private key.");
        all.Remove(own);
        return (own, all);
    }

    private static (X509Certificate2, X509Certificate2Collection) ReadPem(string path, string keyPath, string? password)
    {
        string key = File.ReadAllText(keyPath), text = File.ReadAllText(path);
        X509Certificate2 own = password is null ? X509Certificate2.CreateFromPem(text, key) : X509Certificate2.CreateFromEncryptedPem(text, key, password);
        var all = new X509Certificate2Collection();
        all.ImportFromPem(text);
        all.RemoveAt(0);
        if (!OperatingSystem.IsWindows()) return (own, all);
        // Windows' TLS does not take a key that lives in this process alone.
        using (own) return (X509CertificateLoader.LoadPkcs12(own.Export(X509ContentType.Pkcs12), null), all);
    }
}
