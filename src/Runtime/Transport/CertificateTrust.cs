using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace CoInference.Runtime.Transport;

/// <summary>Judges the other side's certificate by a pinned file instead of what the system trusts.</summary>
/// <remarks>
/// A pinned certificate is trusted itself and, when it is an authority's, so are those that it issued. Revocation lists are
/// not fetched: an authority of one's own is replaced by pinning another file.
/// </remarks>
internal sealed class CertificateTrust
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";

    private readonly X509Certificate2Collection _pinned;
    private readonly bool _judgesServers;

    /// <param name="pinned">Authorities or single certificates.</param>
    /// <param name="judgesServers">
    /// Whether it is the edge that shows a certificate: an issued one must then name the host that was connected to.
    /// </param>
    public CertificateTrust(X509Certificate2Collection pinned, bool judgesServers) => (_pinned, _judgesServers) = (pinned, judgesServers);

    /// <summary>As <see cref="RemoteCertificateValidationCallback"/>.</summary>
    public bool Accepts(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is null) return false;
        using X509Certificate2 presented = X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
        DateTime now = DateTime.Now;
        // The very certificate was pinned: that is a stronger statement than any name in it.
        if (_pinned.Any(pin => pin.RawDataMemory.Span.SequenceEqual(presented.RawDataMemory.Span))) return now >= presented.NotBefore && now <= presented.NotAfter;
        if (_judgesServers && errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)) return false;

        using var own = new X509Chain();
        own.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        own.ChainPolicy.CustomTrustStore.AddRange(_pinned);
        own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        own.ChainPolicy.DisableCertificateDownloads = true;
        // A device's certificate must not do for an edge, nor the other way round.
        own.ChainPolicy.ApplicationPolicy.Add(new Oid(_judgesServers ? ServerUse : ClientUse));
        if (chain is not null) own.ChainPolicy.ExtraStore.AddRange(chain.ChainElements.Select(element => element.Certificate).ToArray());
        return own.Build(presented);
    }
}
