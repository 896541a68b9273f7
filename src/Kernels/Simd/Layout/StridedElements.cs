namespace CoInference.Kernels.Simd.Layout;

/// <summary>Copies elements that lie apart in memory to places beside each other.</summary>
public static unsafe class StridedElements
{
    /// <summary>Fills a row-major target from a source with a stride per axis.</summary>
    /// <param name="elementBytes">Size of an element: 1, 2, 4 or 8.</param>
    /// <param name="source">First element.</param>
    /// <param name="target">First place.</param>
    /// <param name="sizes">Elements along each axis of the target, outermost first; none for one element.</param>
    /// <param name="strides">Elements between neighbours of the source along each axis.</param>
    /// <exception cref="ArgumentOutOfRangeException">The element size is not one of the listed.</exception>
    public static void Copy(int elementBytes, byte* source, byte* target, ReadOnlySpan<int> sizes, ReadOnlySpan<int> strides)
    {
        switch (elementBytes)
        {
            case 1: Copy(source, target, sizes, strides); break;
            case 2: Copy((short*)source, (short*)target, sizes, strides); break;
            case 4: Copy((int*)source, (int*)target, sizes, strides); break;
            case 8: Copy((long*)source, (long*)target, sizes, strides); break;
            default: throw new ArgumentOutOfRangeException(nameof(elementBytes), elementBytes, "Expected 1, 2, 4 or 8.");
        }
    }

    private static T* Copy<T>(T* source, T* target, ReadOnlySpan<int> sizes, ReadOnlySpan<int> strides)
        where T : unmanaged
    {
        if (sizes.Length > 1)
        {
            for (int i = 0; i < sizes[0]; i++) target = Copy(source + ((long)i * strides[0]), target, sizes[1..], strides[1..]);
            return target;
        }

        int count = sizes.IsEmpty ? 1 : sizes[0];
        long stride = sizes.IsEmpty ? 1 : strides[0];
        if (stride == 1)
        {
            new ReadOnlySpan<T>(source, count).CopyTo(new Span<T>(target, count));
        }
        else
        {
            for (int i = 0; i < count; i++) target[i] = source[i * stride];
        }

        return target + count;
    }
}
