using CoInference.Runtime.Transport;

namespace CoInference.Cli.Verbs;

/// <summary>What <c>serve</c> and <c>run</c> say alike about security. Secrets come from files and environment variables: a command line is seen by all users.</summary>
internal static class TlsOptions
{
    /// <summary>Help of <c>--tls-cert</c>'s companion.</summary>
    public const string KeyHelp = "Private key of --tls-cert as PEM, when it is in a file of its own.";

    /// <summary>Help of <c>--tls-password-file</c>.</summary>
    public const string PasswordHelp = "File with the password of the private key.";

    /// <summary>Help of <c>--token-file</c>.</summary>
    public const string TokenFileHelp = "File with the access token that device and edge share; at least 16 characters.";

    /// <summary>Help of <c>--token-env</c>.</summary>
    public const string TokenEnvHelp = "Environment variable with the access token.";

    /// <summary>The access token; null when none was named.</summary>
    /// <exception cref="UsageException">Two were named.</exception>
    /// <exception cref="InvalidDataException">It is missing or too short.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static AccessToken? Token(string? file, string? variable) => (file, variable) switch
    {
        (null, null) => null,
        (not null, null) => AccessToken.FromFile(file),
        (null, not null) => AccessToken.FromEnvironment(variable),
        _ => throw new UsageException("--token-file and --token-env name two tokens; there is one."),
    };

    /// <summary>The password in a file; null when none was named.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static string? Password(string? file) => file is null ? null : File.ReadAllText(file).TrimEnd('\r', '\n');
}
