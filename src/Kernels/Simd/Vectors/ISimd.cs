namespace CoInference.Kernels.Simd.Vectors;

/// <summary>
/// The float operations of one vector width, so that a micro-kernel is written once. <typeparamref name="TVector"/> is
/// the hardware type itself, not a wrapper: locals of it live in registers.
/// </summary>
/// <typeparam name="TVector">A vector of <see cref="Lanes"/> floats.</typeparam>
internal unsafe interface ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Floats per vector.</summary>
    static abstract int Lanes { get; }

    /// <summary>All lanes zero.</summary>
    static abstract TVector Zero { get; }

    /// <summary>Reads <see cref="Lanes"/> floats; no alignment needed.</summary>
    static abstract TVector Load(float* source);

    /// <summary>Writes <see cref="Lanes"/> floats; no alignment needed.</summary>
    static abstract void Store(float* target, TVector value);

    /// <summary>One float in every lane.</summary>
    static abstract TVector Broadcast(float value);

    /// <summary>Lane-wise sum.</summary>
    static abstract TVector Add(TVector left, TVector right);

    /// <summary>Lane-wise difference.</summary>
    static abstract TVector Subtract(TVector left, TVector right);

    /// <summary>Lane-wise product.</summary>
    static abstract TVector Multiply(TVector left, TVector right);

    /// <summary>Lane-wise <paramref name="left"/> x <paramref name="right"/> + <paramref name="addend"/>, fused where the hardware fuses.</summary>
    static abstract TVector MultiplyAdd(TVector left, TVector right, TVector addend);

    /// <summary>Lane-wise minimum; a NaN in <paramref name="value"/> is kept.</summary>
    static abstract TVector AtMost(TVector bound, TVector value);

    /// <summary>Lane-wise maximum; a NaN in <paramref name="value"/> is kept.</summary>
    static abstract TVector AtLeast(TVector bound, TVector value);

    /// <summary>Lane-wise <paramref name="value"/> where <paramref name="low"/> &lt; <paramref name="tested"/> &lt; <paramref name="high"/>, else 0.</summary>
    static abstract TVector WhereInside(TVector low, TVector tested, TVector high, TVector value);

    /// <summary>Lane-wise <paramref name="value"/> where all bits of <paramref name="mask"/> are set, 0 where none is.</summary>
    static abstract TVector Masked(TVector value, TVector mask);

    /// <summary>Lanes 0, 2, 4 ... of <paramref name="low"/>, then those of <paramref name="high"/>; a single lane is that of <paramref name="low"/>.</summary>
    static abstract TVector Even(TVector low, TVector high);

    /// <summary>Sum of all lanes.</summary>
    static abstract float Sum(TVector value);
}
