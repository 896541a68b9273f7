using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>Products of matrices, row-major.</summary>
internal static class MatrixProduct
{
    /// <summary>
    /// A stack of products y = clamp(alpha A B + beta bias + residual), a tile of y per group of threads. While one pair of tiles in
    /// shared memory is multiplied, the next is on its way from device memory to registers.
    /// </summary>
    /// <param name="a">A, [rows][depth], or [depth][rows] with <paramref name="transposeA"/>.</param>
    /// <param name="b">B, [depth][columns], or [columns][depth] with <paramref name="transposeB"/>.</param>
    /// <param name="bias">What <paramref name="biasKind"/> says.</param>
    /// <param name="residual">Added before the clamp, laid out as y; y itself when there is none.</param>
    /// <param name="y">Products, one after the other; may be the residual's memory. With <paramref name="isPartial"/> a share of the sums for each split.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="depthTiles">Tiles of the depth of one split.</param>
    /// <param name="transposeA">1 when A is stored transposed.</param>
    /// <param name="transposeB">1 when B is stored transposed.</param>
    /// <param name="inQuads">Bits for what can be moved in fours: 1 for A, 2 for B, each only where threads side by side load side by side, 4 for y and the residual.</param>
    /// <param name="biasKind">0: none; 1: one per row of each A; 2: one per column; 3: laid out as one y.</param>
    /// <param name="hasResidual">1 when a residual is added.</param>
    /// <param name="isPartial">1 when groups along z also split the depth, and only sums are stored.</param>
    /// <param name="tileM">Rows of a tile.</param>
    /// <param name="tileN">Columns of a tile.</param>
    /// <param name="tileK">Steps of the depth that are loaded at once.</param>
    /// <param name="regM">Rows of a thread, 4 or 8.</param>
    /// <param name="regN">Columns of a thread, 4 or 8.</param>
    [Kernel(MayAlias = true, MaxThreads = 256, MinGroups = 2)]
    public static void Tiled(
        ArrayView<float> a,
        ArrayView<float> b,
        ArrayView<float> bias,
        ArrayView<float> residual,
        ArrayView<float> y,
        MatrixGeometry shape,
        int depthTiles,
        SpecializedValue<int> transposeA,
        SpecializedValue<int> transposeB,
        SpecializedValue<int> inQuads,
        SpecializedValue<int> biasKind,
        SpecializedValue<int> hasResidual,
        SpecializedValue<int> isPartial,
        SpecializedValue<int> tileM,
        SpecializedValue<int> tileN,
        SpecializedValue<int> tileK,
        SpecializedValue<int> regM,
        SpecializedValue<int> regN)
    {
        // Rows of a tile that is stored transposed are written a step apart: four more values keep them in different banks.
        const int Padding = 4;
        ArrayView<float> tilesA = SharedMemory.Allocate<float>(2 * tileK.Value * (tileM.Value + Padding));
        ArrayView<float> tilesB = SharedMemory.Allocate<float>(2 * tileK.Value * (tileN.Value + Padding));
        ArrayView<float> sums = LocalMemory.Allocate<float>(regM.Value * regN.Value);
        // More than are used; what is not used takes no register.
        ArrayView<float> nextA = LocalMemory.Allocate<float>(4 * tileK.Value);
        ArrayView<float> nextB = LocalMemory.Allocate<float>(4 * tileK.Value);
        int strideA = tileM + Padding;
        int strideB = tileN + Padding;
        int columns = tileN / regN;
        int threads = columns * (tileM / regM);
        int thread = Group.IdxX;
        int column = thread % columns;
        int row = thread / columns;
        int item = Grid.IdxZ % shape.Count;
        int split = Grid.IdxZ / shape.Count;
        int rowStart = Grid.IdxY * tileM;
        int columnStart = Grid.IdxX * tileN;
        int startA = item % shape.CountA * shape.StackA;
        int startB = item % shape.CountB * shape.StackB;
        Loop.Unroll();
        for (int i = 0; i < regM * regN; i++) sums[i] = 0;
        int tile = split * depthTiles;
        int last = Math.Min(tile + depthTiles, (shape.Depth + tileK - 1) / tileK);
        int stage = 0;
        for (int first = tile; tile <= last; tile++)
        {
            if (tile < last)
            {
                Fetch(a, nextA, startA, shape.StrideA, rowStart, shape.Rows, tile * tileK, shape.Depth, thread, threads, tileM, tileK, 1 - transposeA, inQuads & 1);
                Fetch(b, nextB, startB, shape.StrideB, columnStart, shape.Columns, tile * tileK, shape.Depth, thread, threads, tileN, tileK, transposeB, inQuads & 2);
            }

            if (tile > first)
            {
                RegisterTile.MultiplyAdd(
                    tilesA.SubView((1 - stage) * tileK * strideA), tilesB.SubView((1 - stage) * tileK * strideB), sums, row, column, tileM, tileN, tileK, strideA, strideB, regM, regN);
            }

            if (tile < last)
            {
                Spread(nextA, tilesA.SubView(stage * tileK * strideA), thread, threads, tileM, tileK, strideA, 1 - transposeA, inQuads & 1);
                Spread(nextB, tilesB.SubView(stage * tileK * strideB), thread, threads, tileN, tileK, strideB, transposeB, inQuads & 2);
            }

            Group.Barrier();
            stage = 1 - stage;
        }

        int startY = ((split * shape.Count) + item) * shape.Rows * shape.Columns;
        Loop.Unroll();
        for (int i = 0; i < regM; i++)
        {
            int m = rowStart + RegisterTile.Place(i, row, tileM / regM);
            Loop.Unroll();
            for (int j = 0; j < regN; j += 4)
            {
                int n = columnStart + RegisterTile.Place(j, column, columns);
                if (m < shape.Rows && n < shape.Columns)
                {
                    int at = startY + (m * shape.Columns) + n;
                    Loop.Unroll();
                    for (int k = 0; k < 4; k++)
                    {
                        if (isPartial == 0 && n + k < shape.Columns)
                        {
                            float sum = shape.Alpha * sums[(i * regN) + j + k];
                            if (biasKind == 1) sum += shape.Beta * bias[(item % shape.CountA * shape.Rows) + m];
                            if (biasKind == 2) sum += shape.Beta * bias[n + k];
                            if (biasKind == 3) sum += shape.Beta * bias[(m * shape.Columns) + n + k];
                            sums[(i * regN) + j + k] = sum;
                        }
                    }

                    if ((inQuads & 4) != 0)
                    {
                        Float4 four = RegisterTile.Four(sums, (i * regN) + j);
                        if (isPartial == 0)
                        {
                            if (hasResidual == 1) four = RegisterTile.Add(four, Float4.Load(residual, at));
                            four = RegisterTile.Clamp(four, shape.Minimum, shape.Maximum);
                        }

                        Float4.Store(y, at, four);
                    }
                    else
                    {
                        Loop.Unroll();
                        for (int k = 0; k < 4; k++)
                        {
                            if (n + k < shape.Columns)
                            {
                                float sum = sums[(i * regN) + j + k];
                                if (isPartial == 0)
                                {
                                    if (hasResidual == 1) sum += residual[at + k];
                                    sum = MathF.Min(MathF.Max(sum, shape.Minimum), shape.Maximum);
                                }

                                y[at + k] = sum;
                            }
                        }
                    }
                }
            }
        }
    }

    /// <summary>
    /// Products with one matrix W and few columns: y[i][row] = clamp(alpha W x[i] + beta bias), for up to 8 vectors at once. The threads
    /// that share a row of W read it side by side, once for all vectors; its bytes are what the kernel takes.
    /// </summary>
    /// <param name="w">W, [rows][depth].</param>
    /// <param name="x">Vectors, [count][depth].</param>
    /// <param name="bias">One value per row.</param>
    /// <param name="y">Results, [count][rows].</param>
    /// <param name="shape">Sizes; Count is the number of vectors.</param>
    /// <param name="hasBias">1 when there is a bias.</param>
    /// <param name="inQuads">1 when rows can be loaded in fours.</param>
    /// <param name="lanes">Threads that share a row, a power of two that divides 128.</param>
    /// <param name="vectors">Vectors of a group of threads.</param>
    [Kernel(GroupX = 128)]
    public static void Vectors(
        ArrayView<float> w,
        ArrayView<float> x,
        ArrayView<float> bias,
        ArrayView<float> y,
        MatrixGeometry shape,
        SpecializedValue<int> hasBias,
        SpecializedValue<int> inQuads,
        SpecializedValue<int> lanes,
        SpecializedValue<int> vectors)
    {
        const int Threads = 128;
        ArrayView<float> partial = SharedMemory.Allocate<float>(Threads * vectors.Value);
        ArrayView<float> sums = LocalMemory.Allocate<float>(vectors.Value);
        int thread = Group.IdxX;
        int lane = thread % lanes;
        int row = (Grid.IdxX * (Threads / lanes)) + (thread / lanes);
        int vector = Grid.IdxY * vectors;
        Loop.Unroll();
        for (int v = 0; v < vectors; v++) sums[v] = 0;
        if (row < shape.Rows)
        {
            if (inQuads == 1)
            {
                for (int k = 4 * lane; k < shape.Depth; k += 4 * lanes)
                {
                    Float4 weight = Float4.Load(w, (row * shape.Depth) + k);
                    Loop.Unroll();
                    for (int v = 0; v < vectors; v++)
                    {
                        if (vector + v < shape.Count)
                        {
                            Float4 value = Float4.Load(x, ((vector + v) * shape.Depth) + k);
                            float sum = MathF.FusedMultiplyAdd(weight.X, value.X, sums[v]);
                            sum = MathF.FusedMultiplyAdd(weight.Y, value.Y, sum);
                            sum = MathF.FusedMultiplyAdd(weight.Z, value.Z, sum);
                            sums[v] = MathF.FusedMultiplyAdd(weight.W, value.W, sum);
                        }
                    }
                }
            }
            else
            {
                for (int k = lane; k < shape.Depth; k += lanes)
                {
                    float weight = w[(row * shape.Depth) + k];
                    Loop.Unroll();
                    for (int v = 0; v < vectors; v++)
                    {
                        if (vector + v < shape.Count) sums[v] = MathF.FusedMultiplyAdd(weight, x[((vector + v) * shape.Depth) + k], sums[v]);
                    }
                }
            }
        }

        Loop.Unroll();
        for (int v = 0; v < vectors; v++) partial[(v * Threads) + thread] = sums[v];
        Group.Barrier();
        for (int width = lanes / 2; width > 0; width /= 2)
        {
            if (lane < width)
            {
                Loop.Unroll();
                for (int v = 0; v < vectors; v++) partial[(v * Threads) + thread] += partial[(v * Threads) + thread + width];
            }

            Group.Barrier();
        }

        if (lane < vectors && row < shape.Rows)
        {
            for (int v = lane; v < vectors; v += lanes)
            {
                if (vector + v < shape.Count)
                {
                    float sum = shape.Alpha * partial[(v * Threads) + thread - lane];
                    if (hasBias == 1) sum += shape.Beta * bias[row];
                    y[((vector + v) * shape.Rows) + row] = MathF.Min(MathF.Max(sum, shape.Minimum), shape.Maximum);
                }
            }
        }
    }

    // Loads a thread's share of a tile of one operand, extent x tileK values, zeros past its ends. Threads side by side load along the
    // extent, or along the depth when the operand is stored that way.
    private static void Fetch(
        ArrayView<float> source, ArrayView<float> next, int start, int stride, int first, int count, int step, int depth, int thread, int threads, int extent, int tileK, int alongDepth, int inQuads)
    {
        if (inQuads != 0)
        {
            Loop.Unroll();
            for (int i = 0; i < extent * tileK / 4; i += threads)
            {
                int k = (i + thread) / (extent / 4);
                int at = (i + thread) % (extent / 4) * 4;
                var four = new Float4 { X = 0, Y = 0, Z = 0, W = 0 };
                if (i + thread < extent * tileK / 4 && step + k < depth && first + at < count) four = Float4.Load(source, start + ((step + k) * stride) + first + at);
                RegisterTile.Keep(next, i / threads * 4, four);
            }
        }
        else
        {
            Loop.Unroll();
            for (int i = 0; i < extent * tileK; i += threads)
            {
                int k = alongDepth == 1 ? (i + thread) % tileK : (i + thread) / extent;
                int at = alongDepth == 1 ? (i + thread) / tileK : (i + thread) % extent;
                float value = 0;
                if (step + k < depth && first + at < count) value = source[start + (alongDepth == 1 ? ((first + at) * stride) + step + k : ((step + k) * stride) + first + at)];
                next[i / threads] = value;
            }
        }
    }

    // Stores what was loaded to a tile in shared memory, [step][place].
    private static void Spread(ArrayView<float> next, ArrayView<float> tile, int thread, int threads, int extent, int tileK, int stride, int alongDepth, int inQuads)
    {
        if (inQuads != 0)
        {
            Loop.Unroll();
            for (int i = 0; i < extent * tileK / 4; i += threads)
            {
                if (i + thread < extent * tileK / 4)
                    Float4.Store(tile, ((i + thread) / (extent / 4) * stride) + ((i + thread) % (extent / 4) * 4), RegisterTile.Four(next, i / threads * 4));
            }
        }
        else
        {
            Loop.Unroll();
            for (int i = 0; i < extent * tileK; i += threads)
            {
                int k = alongDepth == 1 ? (i + thread) % tileK : (i + thread) / extent;
                int at = alongDepth == 1 ? (i + thread) / tileK : (i + thread) % extent;
                tile[(k * stride) + at] = next[i / threads];
            }
        }
    }
}
