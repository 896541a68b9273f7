using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using CoInference.Kernels.Simd.Codec;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Codec;

/// <summary>
/// Compresses a feature for the wire and restores it: channel selection, affine quantization to 1 to 8 bits, bit packing or
/// static entropy coding, and a calibrated affine map that rebuilds the channels that were not sent.
/// </summary>
/// <remarks>
/// The payload is integer-exact: the same feature gives the same bytes on every instruction set. A codec is immutable and may
/// be used by several threads at once; once each of them has run, encoding and decoding allocate nothing.
/// </remarks>
public sealed unsafe class FeatureCodec
{
    private readonly CodecParameters _parameters;
    private readonly int[] _dropped;
    private readonly int _pixels;
    private readonly float[] _inverse;
    private readonly float[] _offset;
    private readonly EntropyCoder? _coder;
    private readonly Scratch?[] _idle = new Scratch?[Environment.ProcessorCount];

    // Then every plane can be packed on its own.
    private bool PlanesAreWholeBytes => (long)_pixels * Decision.Bits % 8 == 0;

    internal FeatureCodec(CodecParameters parameters)
    {
        _parameters = parameters;
        _dropped = CodecParameters.Dropped(parameters.Decision.TotalChannels, parameters.Kept);
        _pixels = FeatureShape.Count / parameters.Decision.TotalChannels;
        _inverse = Array.ConvertAll(parameters.Step, CodecParameters.Inverse);
        _offset = [.. parameters.Minimum.Zip(parameters.Step, CodecParameters.Offset)];
        SymbolCount = parameters.Kept.Length * _pixels;
        MaxPayloadBytes = parameters.IsRaw ? checked(SymbolCount * sizeof(float)) : BitPacking.PackedBytes(SymbolCount, Decision.Bits);
        if (parameters.Entropy is { } model)
            _coder = new EntropyCoder(SymbolGrid.Of(FeatureShape, parameters.Kept.Length), Decision.Bits, model);
    }

    /// <summary>All that defines the codec.</summary>
    internal CodecParameters Parameters => _parameters;

    /// <summary>Shape of the feature, with a batch of 1.</summary>
    public TensorShape FeatureShape => _parameters.FeatureShape;

    /// <summary>Channels, bits and whether symbols may be entropy coded.</summary>
    public CodecDecision Decision => _parameters.Decision;

    /// <summary>Channels that are sent, ascending.</summary>
    public IReadOnlyList<int> KeptChannels => _parameters.Kept;

    /// <summary>Most bytes <see cref="Encode"/> writes: those of plain packing.</summary>
    public int MaxPayloadBytes { get; }

    /// <summary>Symbols of one payload: kept channels times pixels.</summary>
    public int SymbolCount { get; }

    /// <summary>Makes a codec for a decision from calibration features.</summary>
    /// <param name="features">Calibration features, N x C x H x W or N x C, row-major.</param>
    /// <param name="featureShape">Shape of one feature with a batch of 1: [1, C], [1, C, W] or [1, C, H, W].</param>
    /// <param name="decision">Channels, bits (1 to 8, or 32 for unquantized values) and entropy coding.</param>
    /// <param name="options">How ranges are found.</param>
    /// <exception cref="ArgumentException">The features, their shape and the decision do not fit together, or a value is not finite.</exception>
    public static FeatureCodec Calibrate(ReadOnlySpan<float> features, TensorShape featureShape, CodecDecision decision, CodecOptions? options = null) =>
        Calibrate(new FeatureSamples(features, featureShape), decision, options);

    /// <summary>Makes a codec for a decision from a sampled feature; cheaper when several decisions are tried for one feature.</summary>
    /// <exception cref="ArgumentException">The decision does not fit the feature.</exception>
    public static FeatureCodec Calibrate(FeatureSamples samples, CodecDecision decision, CodecOptions? options = null) =>
        new(CodecParameters.Calibrate(samples, decision, options ?? new CodecOptions()));

    /// <summary>Reads a codec file.</summary>
    /// <exception cref="InvalidDataException">The file is no codec file or a field is out of range; the message names it.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static FeatureCodec Load(string path) => new(CodecFile.Load(path));

    /// <summary>Writes the codec file, schema <c>coinference.codec/2</c>; all numbers are read back exactly.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string codecJsonPath) => CodecFile.Save(_parameters, codecJsonPath);

    /// <summary>Encodes one feature.</summary>
    /// <param name="feature">Values of <see cref="FeatureShape"/>, row-major.</param>
    /// <param name="payload">Receives the payload; at least <see cref="MaxPayloadBytes"/> long.</param>
    /// <param name="coder">How the symbols were written; travels beside the payload.</param>
    /// <returns>Length of the payload.</returns>
    /// <exception cref="ArgumentException">A length does not fit.</exception>
    public int Encode(ReadOnlySpan<float> feature, Span<byte> payload, out EntropyMode coder)
    {
        if (feature.Length != FeatureShape.Count) throw new ArgumentException($"Feature of {feature.Length} values, expected {FeatureShape}.", nameof(feature));
        if (payload.Length < MaxPayloadBytes) throw new ArgumentException($"Payload buffer of {payload.Length} bytes, expected at least {MaxPayloadBytes}.", nameof(payload));
        fixed (float* source = feature)
        fixed (byte* target = payload)
        {
            if (_parameters.IsRaw)
            {
                WriteRaw(feature, payload);
                coder = EntropyMode.Raw;
                return MaxPayloadBytes;
            }

            if (_coder is null && PlanesAreWholeBytes)
            {
                Pack(source, target);
                coder = EntropyMode.Packed;
                return MaxPayloadBytes;
            }

            Scratch scratch = Rent();
            Quantize(source, scratch.Symbols);
            int length = EncodeSymbols(scratch, payload, out coder);
            Return(scratch);
            return length;
        }
    }

    /// <summary>Encodes symbols that were made elsewhere, one per byte, as <see cref="Encode"/> does those that it makes.</summary>
    /// <param name="symbols"><see cref="SymbolCount"/> symbols.</param>
    /// <param name="payload">Receives the payload; at least <see cref="MaxPayloadBytes"/> long.</param>
    /// <param name="coder">How the symbols were written.</param>
    /// <returns>Length of the payload.</returns>
    internal int EncodeSymbols(ReadOnlySpan<byte> symbols, Span<byte> payload, out EntropyMode coder)
    {
        Scratch scratch = Rent();
        symbols.CopyTo(new Span<byte>(scratch.Symbols, SymbolCount));
        int length = EncodeSymbols(scratch, payload, out coder);
        Return(scratch);
        return length;
    }

    /// <summary>Restores the symbols of a payload, one per byte.</summary>
    /// <exception cref="InvalidDataException">The payload is not one that this codec writes.</exception>
    internal void DecodeSymbols(ReadOnlySpan<byte> payload, EntropyMode coder, Span<byte> symbols)
    {
        CheckPayload(payload, coder);
        Scratch scratch = Rent();
        DecodeSymbols(payload, coder, scratch);
        new ReadOnlySpan<byte>(scratch.Symbols, SymbolCount).CopyTo(symbols);
        Return(scratch);
    }

    /// <summary>Restores a feature.</summary>
    /// <param name="payload">Exactly the bytes that <see cref="Encode"/> wrote.</param>
    /// <param name="coder">How they were written.</param>
    /// <param name="feature">Receives the values of <see cref="FeatureShape"/>, row-major.</param>
    /// <exception cref="InvalidDataException">The payload is not one that this codec writes.</exception>
    /// <exception cref="ArgumentException"><paramref name="feature"/> has the wrong length.</exception>
    public void Decode(ReadOnlySpan<byte> payload, EntropyMode coder, Span<float> feature)
    {
        if (feature.Length != FeatureShape.Count) throw new ArgumentException($"Feature of {feature.Length} values, expected {FeatureShape}.", nameof(feature));
        CheckPayload(payload, coder);
        fixed (byte* source = payload)
        fixed (float* target = feature)
        {
            if (coder == EntropyMode.Raw)
            {
                ReadRaw(payload, feature);
            }
            else if (coder == EntropyMode.Packed && PlanesAreWholeBytes)
            {
                Unpack(source, target);
            }
            else
            {
                Scratch scratch = Rent();
                DecodeSymbols(payload, coder, scratch);
                Dequantize(scratch.Symbols, target);
                Return(scratch);
            }

            if (_parameters.Reconstruction is not { } map) return;
            fixed (float* weights = map.Weights, bias = map.Bias, minimum = map.Minimum)
            {
                ChannelMap.Apply(target, _pixels, _parameters.Kept, _dropped, weights, bias, minimum);
            }
        }
    }

    private int EncodeSymbols(Scratch scratch, Span<byte> payload, out EntropyMode coder)
    {
        // Plain packing is as short as MaxPayloadBytes and faster, so coding must gain at least a byte.
        int coded = _coder is null ? 0 : _coder.Encode(scratch.Symbols, payload[..(MaxPayloadBytes - 1)], scratch.Work);
        coder = coded == 0 ? EntropyMode.Packed : EntropyMode.Coded;
        if (coded > 0) return coded;
        fixed (byte* target = payload) BitPacking.Pack(scratch.Symbols, target, SymbolCount, Decision.Bits);
        return MaxPayloadBytes;
    }

    private void DecodeSymbols(ReadOnlySpan<byte> payload, EntropyMode coder, Scratch scratch)
    {
        if (coder == EntropyMode.Coded)
        {
            _coder!.Decode(payload, scratch.Symbols, scratch.Work);
            return;
        }

        fixed (byte* source = payload) BitPacking.Unpack(source, scratch.Symbols, SymbolCount, Decision.Bits);
    }

    /// <summary>Checks that a payload can be one of this codec.</summary>
    /// <exception cref="InvalidDataException">It cannot; the message says why.</exception>
    internal void CheckPayload(ReadOnlySpan<byte> payload, EntropyMode coder)
    {
        bool fits = coder switch
        {
            EntropyMode.Raw => _parameters.IsRaw,
            EntropyMode.Packed => !_parameters.IsRaw,
            EntropyMode.Coded => _coder is not null,
            _ => false,
        };
        if (!fits) throw new InvalidDataException($"Payload: coder {coder} does not go with a codec of {Decision.Bits} bits{(_coder is null ? " and no entropy coder" : "")}.");
        if (coder == EntropyMode.Coded ? payload.Length >= MaxPayloadBytes : payload.Length != MaxPayloadBytes) throw new InvalidDataException($"Payload: {payload.Length} bytes, expected {MaxPayloadBytes}.");
    }

    // A plane takes less time than a few calls of unoptimized code: the loops over planes are compiled in full at once.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Quantize(float* feature, byte* symbols)
    {
        for (int k = 0; k < _parameters.Kept.Length; k++)
        {
            int r = Range(k);
            AffineQuantizer.Quantize(Plane(feature, k), symbols + ((nint)k * _pixels), _pixels, _inverse[r], _offset[r], 1 << Decision.Bits);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Pack(float* feature, byte* packed)
    {
        fixed (int* channels = _parameters.Kept)
        fixed (float* inverse = _inverse, offset = _offset)
            PackedQuantizer.PackPlanes(Planes(feature, channels, inverse, offset), packed, Decision.Bits);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Dequantize(byte* symbols, float* feature)
    {
        for (int k = 0; k < _parameters.Kept.Length; k++)
        {
            int r = Range(k);
            AffineQuantizer.Dequantize(symbols + ((nint)k * _pixels), Plane(feature, k), _pixels, _parameters.Step[r], _parameters.Minimum[r]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Unpack(byte* packed, float* feature)
    {
        fixed (int* channels = _parameters.Kept)
        fixed (float* step = _parameters.Step, minimum = _parameters.Minimum)
            PackedQuantizer.UnpackPlanes(Planes(feature, channels, step, minimum), packed, Decision.Bits);
    }

    private QuantizedPlanes Planes(float* feature, int* channels, float* scale, float* shift) => new()
    {
        Feature = feature,
        Channels = channels,
        Count = _parameters.Kept.Length,
        Pixels = _pixels,
        Scale = scale,
        Shift = shift,
        RangeStep = _parameters.Minimum.Length == 1 ? 0 : 1,
    };

    private float* Plane(float* feature, int k) => feature + ((nint)_parameters.Kept[k] * _pixels);

    private int Range(int k) => _parameters.Minimum.Length == 1 ? 0 : k;

    private void WriteRaw(ReadOnlySpan<float> feature, Span<byte> payload)
    {
        foreach (int channel in _parameters.Kept)
        {
            ReadOnlySpan<float> plane = feature.Slice(channel * _pixels, _pixels);
            if (BitConverter.IsLittleEndian) MemoryMarshal.AsBytes(plane).CopyTo(payload);
            else for (int p = 0; p < _pixels; p++) BinaryPrimitives.WriteSingleLittleEndian(payload[(p * sizeof(float))..], plane[p]);
            payload = payload[(_pixels * sizeof(float))..];
        }
    }

    private void ReadRaw(ReadOnlySpan<byte> payload, Span<float> feature)
    {
        foreach (int channel in _parameters.Kept)
        {
            Span<float> plane = feature.Slice(channel * _pixels, _pixels);
            if (BitConverter.IsLittleEndian) payload[..(_pixels * sizeof(float))].CopyTo(MemoryMarshal.AsBytes(plane));
            else for (int p = 0; p < _pixels; p++) plane[p] = BinaryPrimitives.ReadSingleLittleEndian(payload[(p * sizeof(float))..]);
            payload = payload[(_pixels * sizeof(float))..];
        }
    }

    private Scratch Rent()
    {
        for (int i = 0; i < _idle.Length; i++)
        {
            if (Interlocked.Exchange(ref _idle[i], null) is { } scratch) return scratch;
        }

        return new Scratch(SymbolCount, _coder?.WorkBytes ?? 0);
    }

    private void Return(Scratch scratch)
    {
        for (int i = 0; i < _idle.Length; i++)
        {
            if (Interlocked.CompareExchange(ref _idle[i], scratch, null) is null) return;
        }
    }

    private sealed class Scratch(int symbols, int work)
    {
        private readonly AlignedBuffer _symbols = new(symbols);
        private readonly AlignedBuffer _work = new(work);

        public byte* Symbols => _symbols.Pointer;

        public byte* Work => _work.Pointer;
    }
}
