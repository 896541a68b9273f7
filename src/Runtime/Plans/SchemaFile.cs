using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;

namespace CoInference.Runtime.Plans;

/// <summary>Reads and writes JSON documents that carry their schema, such as <c>coinference.plan/1</c>.</summary>
public static class SchemaFile
{
    /// <summary>Largest document that is read, in bytes.</summary>
    public const long MaxBytes = 256L << 20;

    /// <summary>Reads a document.</summary>
    /// <typeparam name="T">Type of the document.</typeparam>
    /// <param name="path">File to read.</param>
    /// <param name="schema">Schema that the document must carry.</param>
    /// <param name="type">Source-generated description of <typeparamref name="T"/>.</param>
    /// <exception cref="InvalidDataException">Not such a document; the message names the file, the field and what was expected.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static T Read<T>(string path, string schema, JsonTypeInfo<T> type) => Parse(ReadBytes(path), path, schema, type);

    /// <summary>Reads a document from memory.</summary>
    /// <typeparam name="T">Type of the document.</typeparam>
    /// <param name="utf8">The JSON text.</param>
    /// <param name="name">What messages call the document: its path.</param>
    /// <param name="schema">Schema that the document must carry.</param>
    /// <param name="type">Source-generated description of <typeparamref name="T"/>.</param>
    /// <exception cref="InvalidDataException">Not such a document; the message names it, the field and what was expected.</exception>
    public static T Parse<T>(ReadOnlySpan<byte> utf8, string name, string schema, JsonTypeInfo<T> type)
    {
        // The schema is looked at first: a document of another version fails for that reason, not for its first new field.
        CheckSchema(utf8, name, schema);
        try
        {
            return JsonSerializer.Deserialize(utf8, type) ?? throw new InvalidDataException($"{name}: the document is null, expected '{schema}'.");
        }
        catch (JsonException failure)
        {
            throw Malformed(name, failure);
        }
    }

    /// <summary>The document as indented UTF-8 text that ends with a line feed.</summary>
    public static byte[] Serialize<T>(T document, JsonTypeInfo<T> type) => [.. JsonSerializer.SerializeToUtf8Bytes(document, type), (byte)'\n'];

    /// <summary>Writes a document; see <see cref="AtomicFile"/>.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write<T>(string path, T document, JsonTypeInfo<T> type) => AtomicFile.WriteBytes(path, Serialize(document, type));

    /// <summary>Reads a file whose size is checked before memory is taken for it.</summary>
    /// <exception cref="InvalidDataException">The file is larger than <see cref="MaxBytes"/>.</exception>
    /// <exception cref="IOException">The file cannot be read; the message names it.</exception>
    internal static byte[] ReadBytes(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            if (stream.Length > MaxBytes) throw new InvalidDataException($"{path}: {stream.Length} bytes, expected at most {MaxBytes}.");
            var content = new byte[stream.Length];
            stream.ReadExactly(content);
            return content;
        }
        catch (UnauthorizedAccessException failure)
        {
            throw new IOException($"Cannot read '{path}': {failure.Message}", failure);
        }
    }

    private static void CheckSchema(ReadOnlySpan<byte> utf8, string name, string schema)
    {
        if (!Utf8.IsValid(utf8)) throw new InvalidDataException($"{name}: not UTF-8 text, expected '{schema}'.");
        string? found = null;
        try
        {
            var reader = new Utf8JsonReader(utf8);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw new InvalidDataException($"{name}: not a JSON object, expected '{schema}'.");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isSchema = reader.ValueTextEquals("schema"u8);
                reader.Read();
                if (isSchema && reader.TokenType == JsonTokenType.String) found = reader.GetString();
                reader.Skip();
                if (isSchema) break;
            }
        }
        catch (JsonException failure)
        {
            throw Malformed(name, failure);
        }
        catch (InvalidOperationException)
        {
            // An escaped half of a surrogate pair: valid JSON that is no text, and so no schema name either.
        }

        if (found is null) throw new InvalidDataException($"{name}: no field 'schema', expected '{schema}'.");
        if (found != schema) throw new InvalidDataException($"{name}: field 'schema' is '{Shorten(found)}', this version reads '{schema}'.");
    }

    private static InvalidDataException Malformed(string name, JsonException failure)
    {
        string field = failure.Path is { Length: > 2 } path ? $"field '{path[2..]}', " : "";
        string line = failure.LineNumber is { } number ? $"line {number + 1}: " : "";
        string reason = failure.Message;
        int location = reason.IndexOf(" Path: ", StringComparison.Ordinal);
        if (location < 0) location = reason.IndexOf(" LineNumber: ", StringComparison.Ordinal);
        if (location >= 0) reason = reason[..location];
        reason = reason.Replace("System.Double", "a number", StringComparison.Ordinal)
            .Replace("System.Int32", "a whole number", StringComparison.Ordinal)
            .Replace("System.Int64", "a whole number", StringComparison.Ordinal)
            .Replace("System.String", "a text", StringComparison.Ordinal);
        return new InvalidDataException($"{name}: {field}{line}{reason}", failure);
    }

    private static string Shorten(string text) => text.Length <= 60 ? text : text[..60] + "...";
}
