namespace CoInference.Kernels.Simd.Vectors;

/// <summary>An integer as a type argument: the compiler sees a constant, so that loops over it and branches on it vanish.</summary>
internal interface IConstant
{
    /// <summary>The integer.</summary>
    static abstract int Value { get; }
}

/// <summary>0.</summary>
internal readonly struct N0 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 0;
}

/// <summary>1.</summary>
internal readonly struct N1 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 1;
}

/// <summary>2.</summary>
internal readonly struct N2 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 2;
}

/// <summary>3.</summary>
internal readonly struct N3 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 3;
}

/// <summary>4.</summary>
internal readonly struct N4 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 4;
}

/// <summary>5.</summary>
internal readonly struct N5 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 5;
}

/// <summary>6.</summary>
internal readonly struct N6 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 6;
}

/// <summary>7.</summary>
internal readonly struct N7 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 7;
}

/// <summary>8.</summary>
internal readonly struct N8 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 8;
}

/// <summary>9.</summary>
internal readonly struct N9 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 9;
}

/// <summary>10.</summary>
internal readonly struct N10 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 10;
}

/// <summary>11.</summary>
internal readonly struct N11 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 11;
}

/// <summary>12.</summary>
internal readonly struct N12 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 12;
}

/// <summary>13.</summary>
internal readonly struct N13 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 13;
}

/// <summary>14.</summary>
internal readonly struct N14 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 14;
}

/// <summary>15.</summary>
internal readonly struct N15 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 15;
}

/// <summary>16.</summary>
internal readonly struct N16 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 16;
}

/// <summary>17.</summary>
internal readonly struct N17 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 17;
}

/// <summary>18.</summary>
internal readonly struct N18 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 18;
}

/// <summary>19.</summary>
internal readonly struct N19 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 19;
}

/// <summary>20.</summary>
internal readonly struct N20 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 20;
}

/// <summary>21.</summary>
internal readonly struct N21 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 21;
}

/// <summary>22.</summary>
internal readonly struct N22 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 22;
}

/// <summary>23.</summary>
internal readonly struct N23 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 23;
}

/// <summary>24.</summary>
internal readonly struct N24 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 24;
}

/// <summary>25.</summary>
internal readonly struct N25 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 25;
}

/// <summary>26.</summary>
internal readonly struct N26 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 26;
}

/// <summary>27.</summary>
internal readonly struct N27 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 27;
}

/// <summary>28.</summary>
internal readonly struct N28 : IConstant
{
    /// <inheritdoc/>
    public static int Value => 28;
}

/// <summary>Twice another constant.</summary>
/// <typeparam name="T">The constant.</typeparam>
internal readonly struct Twice<T> : IConstant
    where T : IConstant
{
    /// <inheritdoc/>
    public static int Value => 2 * T.Value;
}
