namespace CoInference.Kernels.Gpu.Programs;

/// <summary>Sizes of a stack of matrix products y = alpha A B + what is added, in elements.</summary>
internal struct MatrixGeometry
{
    /// <summary>Rows of A and y.</summary>
    public int Rows;

    /// <summary>Columns of B and y.</summary>
    public int Columns;

    /// <summary>Columns of A, rows of B.</summary>
    public int Depth;

    /// <summary>Elements from one row of A as it is stored to the next.</summary>
    public int StrideA;

    /// <summary>Elements from one row of B as it is stored to the next.</summary>
    public int StrideB;

    /// <summary>Elements from one A of the stack to the next.</summary>
    public int StackA;

    /// <summary>Elements from one B of the stack to the next.</summary>
    public int StackB;

    /// <summary>Different As: product i uses A i modulo this.</summary>
    public int CountA;

    /// <summary>Different Bs: product i uses B i modulo this.</summary>
    public int CountB;

    /// <summary>Products of the stack.</summary>
    public int Count;

    /// <summary>Factor of the product.</summary>
    public float Alpha;

    /// <summary>Factor of the bias.</summary>
    public float Beta;

    /// <summary>Lower bound of the result.</summary>
    public float Minimum;

    /// <summary>Upper bound of the result.</summary>
    public float Maximum;
}
