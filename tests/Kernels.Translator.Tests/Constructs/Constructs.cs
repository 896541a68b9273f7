using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Translator.Tests.Constructs;

/// <summary>A kernel for each construct of the dialect: x and i are inputs, y and j outputs, all of the same length.</summary>
internal static class Constructs
{
    private const int Offset = 3;

    private enum Kind
    {
        Even = 0,
        Odd = 1,
    }

    [Kernel]
    public static void IntegerArithmetic(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        int a = i[at], b = (a & 7) + 1;
        j[at] = (((a * 3) - (a / b)) ^ (a % b)) + ((a << 2) | (a >> 3)) + (~a & 0xFF) + -a + +b;
    }

    [Kernel]
    public static void UnsignedArithmetic(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        uint a = (uint)i[at];
        uint hash = (a ^ 2166136261u) * 16777619u;
        hash ^= hash >> 15;
        hash += hash << 33;
        hash -= (uint)((int)hash >>> 5);
        j[at] = (int)(hash / 3u) + (int)(hash % 7u) + (hash > 0x80000000u ? 1 : 0);
    }

    [Kernel]
    public static void NarrowAndWideIntegers(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        int a = i[at];
        byte u8 = (byte)a;
        sbyte s8 = (sbyte)a;
        short s16 = (short)(a * 5);
        ushort u16 = (ushort)a;
        long s64 = (long)a * a * a;
        ulong u64 = (ulong)(uint)a << 20;
        s64 >>= 65;
        j[at] = u8 + s8 + s16 + u16 + (int)(s64 % 1000003L) + (int)(u64 >> 18) + (s64 < -5000000000L ? 1 : 0);
    }

    [Kernel]
    public static void FloatArithmetic(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        float a = x[at];
        float sum = (a * 1.1f) + (a * a) - (a / 3f) - 1e-20f + 16777216f;
        sum -= a;
        sum *= 0.5f;
        sum /= 1.7f;
        y[at] = a < 0 ? sum : -sum + i[at];
        j[at] = (int)(a * 10) + (a == sum ? 1 : 0);
    }

    [Kernel]
    public static void MathFunctions(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        float a = x[at], positive = MathF.Abs(a) + 0.5f;
        float exact = MathF.Floor(a) + MathF.Ceiling(a * 3) + MathF.Truncate(a * 5) + MathF.Round(a * 2) + MathF.Sqrt(positive);
        float close = MathF.Exp(a) + MathF.Log(positive) + MathF.Pow(positive, 1.5f) + MathF.Tanh(a) + MathF.Sin(a) + MathF.Cos(a);
        y[at] = exact + close + MathF.Min(a, positive) + MathF.Max(a, 0.25f);
        j[at] = Math.Min(i[at], 5) + Math.Max(i[at], -5) + Math.Abs(i[at]);
    }

    [Kernel]
    public static void NotANumber(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        float a = at % 3 == 0 ? float.NaN : x[at];
        float least = MathF.Min(a, 0.5f), most = MathF.Max(0.5f, a), endless = MathF.Max(a, float.PositiveInfinity);
        j[at] = (float.IsNaN(least) ? 1 : 0) + (float.IsNaN(most) ? 2 : 0) + (float.IsNaN(endless) ? 4 : 0) + (a > float.NegativeInfinity ? 8 : 0);
    }

    [Kernel]
    public static void FusedMultiplyAdd(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        float a = x[at] * 1.0001f;
        // The two differ exactly where the product is rounded: a compiler that fuses on its own makes them equal.
        y[at] = MathF.FusedMultiplyAdd(a, a, -(a * a)) * 1e9f;
    }

    [Kernel]
    public static void Loops(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        int sum = 0, n = i[at] & 15;
        for (int a = 0; a < n; a++)
        {
            if (a == 3) continue;
            for (int b = n; b > a; b -= 2)
            {
                if (b + a > 20) break;
                sum += a * b;
            }
        }

        while (n > 1)
        {
            n = n % 2 == 0 ? n / 2 : (n * 3) + 1;
            sum++;
        }

        do
        {
            sum += 7;
            --n;
        }
        while (n > -2);
        Loop.Unroll();
        for (int a = 0; a < 5; a++) sum ^= a << 3;
        Loop.Unroll(2);
        for (int a = 0; a < four; ++a) sum += four.Value;
        j[at] = sum;
    }

    [Kernel]
    public static void Branches(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        int a = i[at];
        bool isSmall = a < 10 && a > -10, isOdd = (a & 1) != 0;
        if (isSmall && !isOdd) j[at] = 1;
        else if (isSmall || a == 11) j[at] = 2;
        else
        {
            switch (a & 3)
            {
                case 0:
                case 1:
                    int seen = a;
                    j[at] = seen + Offset;
                    break;
                case 2:
                    j[at] = -a;
                    break;
                default:
                    j[at] = (Kind)(a & 1) == Kind.Odd ? 77 : (int)Kind.Even;
                    break;
            }
        }

        if (x[at] < 0) return;
        y[at] = isOdd ? 1 : 0;
    }

    [Kernel]
    public static void Structs(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        Line line = new() { Start = Make(x[at], i[at]), Slope = 2 };
        Line copy = line;
        copy.Start.Y += 1;
        Point end = Move(copy, 3);
        y[at] = end.X + line.Start.X;
        j[at] = end.Y - line.Start.Y;
    }

    [Kernel]
    public static void LocalFunctions(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        j[at] = Twice(Twice(i[at])) + Outside(i[at]);
        Put(y, at, x[at]);

        static int Twice(int value) => 2 * value;

        static void Put(ArrayView<float> view, int place, float value)
        {
            if (value < 0) return;
            view[place] = value;
        }
    }

    [Kernel]
    public static void ViewsInEveryMemory(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        ArrayView<int> shared = SharedMemory.Allocate<int>(four.Value * 4);
        ArrayView<int> own = LocalMemory.Allocate<int>(4);
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        shared[Group.IdxX] = i[at];
        for (int k = 0; k < 4; k++) own[k] = i[at] + k;
        Group.Barrier();
        ArrayView<int> mine = i.SubView(at, 1);
        j[at] = Sum(shared, Group.DimX) + Sum(own, 4) + Sum(mine, mine.IntLength) + Sum(i.SubView(2), 3) + (int)i.Length + shared.IntLength;
    }

    [Kernel(GroupX = 8)]
    public static void SharedReduction(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        ArrayView<float> partial = SharedMemory.Allocate<float>(8);
        ArrayView<byte> flags = SharedMemory.Allocate<byte>(5);
        ArrayView<int> order = SharedMemory.Allocate<int>(2 * four);
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        partial[Group.IdxX] = x[at];
        order[Group.DimX - 1 - Group.IdxX] = i[at];
        if (Group.IdxX < 5) flags[Group.IdxX] = (byte)(Group.IdxX * 3);
        Group.Barrier();
        for (int width = Group.DimX / 2; width > 0; width /= 2)
        {
            if (Group.IdxX < width) partial[Group.IdxX] += partial[Group.IdxX + width];
            Group.Barrier();
        }

        y[at] = partial[0];
        j[at] = order[Group.IdxX] + flags[Group.IdxX % 5] + Grid.DimX;
    }

    [Kernel]
    public static void Atomics(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        ArrayView<int> counts = SharedMemory.Allocate<int>(6);
        ArrayView<uint> bits = SharedMemory.Allocate<uint>(3);
        ArrayView<float> sums = SharedMemory.Allocate<float>(1);
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (Group.IdxX == 0)
        {
            for (int k = 0; k < 6; k++) counts[k] = 0;
            bits[0] = 0;
            bits[1] = 0xFFFFFFFFu;
            bits[2] = 0;
            sums[0] = 0;
        }

        Group.Barrier();
        Atomic.Add(ref counts[0], 1);
        Atomic.Min(ref counts[1], i[at]);
        Atomic.Max(ref counts[2], i[at]);
        Atomic.Or(ref bits[0], 1u << Group.IdxX);
        Atomic.And(ref bits[1], ~(1u << Group.IdxX));
        Atomic.Xor(ref bits[2], (uint)i[at]);
        Atomic.Add(ref sums[0], (float)(i[at] & 3));
        Atomic.Exchange(ref counts[3], 9);
        // Exactly one thread finds the zero.
        int before = Atomic.CompareExchange(ref counts[4], 0, 1 + Group.IdxX);
        if (before == 0) Atomic.Add(ref counts[5], 100);
        Atomic.Add(ref j[Grid.IdxX], 1 + Group.IdxX);
        Group.Barrier();
        if (Group.IdxX == 1) Atomic.Add(ref j[8 + Grid.IdxX], counts[0] + counts[1] + counts[2] + counts[3] + counts[5] + (int)bits[0] + (int)bits[1] + (int)bits[2]);
        Group.Barrier();
        if (Group.IdxX == 2) y[at] = sums[0];
    }

    [Kernel]
    public static void HalfStorage(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        ArrayView<ushort> shared = SharedMemory.Allocate<ushort>(16);
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        float value = x[at] * (at % 2 == 0 ? 1e-6f : 70000f);
        HalfFloat.Store(shared, Group.IdxX, value);
        Group.Barrier();
        y[at] = HalfFloat.Load(shared, Group.DimX - 1 - Group.IdxX);
        j[at] = shared[Group.IdxX] + HalfFloat.Round(x[at]) + (int)HalfFloat.Widen((ushort)(i[at] & 0x7BFF));
    }

    [Kernel]
    public static void BrainStorage(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        ushort stored = BrainFloat.Round(x[at] * 1e10f);
        y[at] = BrainFloat.Widen(stored);
        j[at] = stored + BrainFloat.Round(float.NaN);
    }

    [Kernel]
    public static void Vectors(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(32);
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        int first = at * 4 % 16;
        Float4 value = Float4.Load(x, first);
        value.W += 1;
        Float4.Store(shared, 4 * Group.IdxX, value);
        Group.Barrier();
        Float4 other = Float4.Load(shared, 4 * (Group.DimX - 1 - Group.IdxX));
        y[at] = other.X + (other.Y * 2) + (other.Z * 3) + (other.W * 4);
    }

    [Kernel]
    public static void PackedProducts(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        j[at] = PackedDot.Int8((i[at] * 0x01234567) + at, i[at] ^ 0x7F80FF01, 5);
    }

    [Kernel]
    public static void Bits(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        j[at] = BitConverter.SingleToInt32Bits(x[at]) ^ (int)(BitConverter.SingleToUInt32Bits(x[at]) >> 7);
        y[at] = BitConverter.Int32BitsToSingle(0x3F800000 | (i[at] & 0x7FFFFF)) + BitConverter.UInt32BitsToSingle(0x40000000u);
    }

    /// <summary>Names that C or a target keeps for itself.</summary>
    [Kernel]
    public static void ReservedNames(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        int register = i[at], half = register + 1, kernel = half * 2, global = kernel - 3, main = global, signed = main, min = signed;
        j[at] = min;
    }

    /// <summary>A body of its own in each target, with the same meaning.</summary>
    [Kernel]
    public static void TargetBodies(ArrayView<float> x, ArrayView<int> i, ArrayView<float> y, ArrayView<int> j, SpecializedValue<int> four)
    {
        int at = (Grid.IdxX * Group.DimX) + Group.IdxX;
        j[at] = Triple(i[at]);
        Fill(y, at, x[at]);
    }

    [TargetCode(KernelLanguage.OpenCl, "return mad24(value & 0xFFF, 3, 0) + 3 * (value - (value & 0xFFF));")]
    [TargetCode(KernelLanguage.Cuda, "return never(value);", Condition = "__CUDA_ARCH__ >= 9999")]
    private static int Triple(int value) => value * 3;

    [TargetCode(KernelLanguage.Cuda, "view[index] = value + value;")]
    [TargetCode(KernelLanguage.OpenCl, "view[index] = value * 2.0f;", Condition = "defined(__OPENCL_VERSION__)")]
    private static void Fill(ArrayView<float> view, int index, float value) => view[index] = 2 * value;

    private static int Outside(int value)
    {
        for (int k = 0; k < 5; k++)
        {
            if (value + k > 4) return k;
        }

        return -1;
    }

    private static int Sum(ArrayView<int> view, int count)
    {
        int sum = 0;
        for (int k = 0; k < count; k++) sum += view[k];
        return sum;
    }

    private static Point Make(float x, int y)
    {
        Point point = new() { X = x, Y = y };
        return point;
    }

    private static Point Move(Line line, int steps)
    {
        Point end = line.Start;
        end.X += line.Slope * steps;
        end.Y += steps;
        return end;
    }

    internal struct Point
    {
        public float X;
        public int Y;
    }

    internal struct Line
    {
        public Point Start;
        public float Slope;
    }
}
