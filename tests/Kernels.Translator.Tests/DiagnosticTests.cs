using Microsoft.CodeAnalysis;

namespace CoInference.Kernels.Translator.Tests;

/// <summary>Every diagnostic: its id, that it stands on the line of the code, and the advice.</summary>
public sealed class DiagnosticTests
{
    [Theory]
    [InlineData("COK001", "foreach (int k in new[] { 1, 2 }) i[0] = k;", "count with for")]
    [InlineData("COK001", "try { i[0] = 1; } finally { }", "check before the launch")]
    [InlineData("COK001", "throw new Exception();", "check before the launch")]
    [InlineData("COK001", "lock (typeof(int)) { }", "use Atomic")]
    [InlineData("COK001", "using var stream = System.IO.Stream.Null;", "owns nothing")]
    [InlineData("COK001", "checked { i[0] = 1; }", "wrap around")]
    [InlineData("COK001", "unsafe { i[0] = 1; }", "index a view")]
    [InlineData("COK001", "goto end; end: i[0] = 1;", "break or continue")]
    [InlineData("COK001", "i[0] = n switch { 0 => 1, _ => 2 };", "switch statement")]
    [InlineData("COK001", "switch (n) { case > 3: break; }", "constants as labels")]
    [InlineData("COK001", "i[0] = Sources.Take(new Money());", "object initializer")]
    [InlineData("COK001", "var a = new int[3];", "LocalMemory.Allocate")]
    [InlineData("COK001", "Func<int, int> f = a => a; i[0] = 1;", "static local function")]
    [InlineData("COK001", "var text = \"x\";", "numbers only")]
    [InlineData("COK001", "(int a, int b) = (1, 2); i[0] = a + b;", "one variable for each value")]
    [InlineData("COK001", "ref int a = ref i[0]; a = 1;", "index the view again")]
    [InlineData("COK001", "x[0] = x[1] % 2f;", "MathF.Floor")]
    [InlineData("COK001", "x[0] %= 2f;", "MathF.Floor")]
    [InlineData("COK001", "i[0] = Sources.Counter;", "use fields of structs, constants")]
    [InlineData("COK001", "i[0] = Counter;", "make it const")]
    [InlineData("COK001", "i[0] = Sources.Add(b: 1, a: 2);", "in order")]
    [InlineData("COK001", "i[0] = (int)(Money)3;", "static method")]
    [InlineData("COK001", "for (int a = 0, b = 1; a < b; a++) i[0] = b;", "before it")]
    [InlineData("COK001", "int v = 0; Atomic.Add(ref v, 1);", "ref view[i]")]
    [InlineData("COK001", "i[0] = Sources.ByReference(ref n);", "return the value")]
    [InlineData("COK002", "double d = x[0]; x[0] = (float)d;", "double")]
    [InlineData("COK002", "decimal d = 3; i[0] = (int)d;", "ArrayView<T>")]
    [InlineData("COK003", "Console.WriteLine();", "static method whose source")]
    [InlineData("COK003", "x[0] = MathF.Cbrt(x[1]);", "MathF")]
    [InlineData("COK003", "i[0] = Sources.Generic<int>(1);", "static method whose source")]
    [InlineData("COK004", "if (n > 0) { ArrayView<int> s = SharedMemory.Allocate<int>(4); i[0] = s[0]; }", "outermost block")]
    [InlineData("COK005", "ArrayView<int> v = n > 0 ? i : i.SubView(1); v[0] = 1;", "give every view one value")]
    [InlineData("COK005", "ArrayView<int> v = i; v = i.SubView(1);", "give every view one value")]
    [InlineData("COK006", "i[0] = n++;", "statement of its own")]
    [InlineData("COK006", "i[0] = i[1] = 2;", "statement of its own")]
    [InlineData("COK006", "i[0] = 1 + Atomic.Add(ref i[1], 2);", "statement of its own")]
    [InlineData("COK008", "ArrayView<int> v = LocalMemory.Allocate<int>(n); i[0] = v[0];", "constants and SpecializedValue")]
    [InlineData("COK009", "i[0] = Sources.Again(3);", "write a loop")]
    [InlineData("COK010", "int m = n; i[0] = Inner(); int Inner() => m + 1;", "pass it as a parameter")]
    [InlineData("COK011", "Loop.Unroll(); i[0] = 1;", "directly before a for")]
    [InlineData("COK011", "Loop.Unroll(0); for (int k = 0; k < 3; k++) i[0] = k;", "constant of at least 1")]
    [InlineData("COK012", "Flagged f = new() { Flag = true }; i[0] = f.Flag ? 1 : 0;", "use an int")]
    [InlineData("COK012", "Property p = new(); i[0] = p.A;", "only fields")]
    public void A_statement_outside_the_dialect_is_reported_where_it_stands(string id, string statement, string advice)
    {
        Diagnostic error = Single(id, Kernel($"        {statement}"));
        Assert.Contains(advice, error.GetMessage(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal);
        Assert.Equal(DiagnosticSeverity.Error, error.Severity);
    }

    [Theory]
    [InlineData("public void K(ArrayView<int> i) { }", "must be static")]
    [InlineData("public static int K(ArrayView<int> i) => 1;", "return void")]
    [InlineData("public static void K<T>(ArrayView<int> i) { }", "one kernel for each element type")]
    [InlineData("public static void K(ArrayView<int> i, bool b) { i[0] = b ? 1 : 0; }", "pass a number by value")]
    [InlineData("public static void K(ArrayView<int> i, ref int b) { i[0] = b; }", "pass a number by value")]
    [InlineData("public static void K(ArrayView<int> i, SpecializedValue<float> f) { i[0] = 1; }", "only SpecializedValue<int>")]
    [InlineData("public static extern void K(ArrayView<int> i);", "has no body")]
    public void A_kernel_with_a_wrong_signature_is_refused(string method, string advice) =>
        Assert.Contains(advice, Single("COK007", Class($"    [Kernel] {method}")).GetMessage(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal);

    [Fact]
    public void A_kernel_in_a_nested_class_is_refused() =>
        Single("COK007", Class("    internal static class Inner { [Kernel] public static void K(ArrayView<int> i) { i[0] = 1; } }"));

    [Fact]
    public void Target_code_on_a_kernel_is_refused() =>
        Single("COK013", Class("    [Kernel, TargetCode(KernelLanguage.Cuda, \"x\")] public static void K(ArrayView<int> i) { i[0] = 1; }"));

    [Fact]
    public void Every_error_of_a_kernel_is_reported_at_once()
    {
        (IReadOnlyList<Diagnostic> errors, _) = Translations.Generate(Kernel("        i[0] = n++;\n        x[0] = x[1] % 2f;\n        Console.WriteLine();"));
        Assert.Equal(["COK006", "COK001", "COK003"], errors.Select(error => error.Id));
    }

    [Fact]
    public void A_kernel_within_the_dialect_gives_no_error_and_both_translations()
    {
        (IReadOnlyList<Diagnostic> errors, string catalog) = Translations.Generate(Kernel("        if (n > 0) i[0] = n;"));
        Assert.Empty(errors);
        Assert.Contains("__kernel void Sources_K", catalog, StringComparison.Ordinal);
        Assert.Contains("__global__ void Sources_K", catalog, StringComparison.Ordinal);
    }

    private static Diagnostic Single(string id, string source)
    {
        (IReadOnlyList<Diagnostic> errors, _) = Translations.Generate(source);
        Assert.True(errors.Any(error => error.Id == id), $"expected {id}, got {string.Join("; ", errors)}");
        Diagnostic found = errors.First(error => error.Id == id);
        // The place: in the source, not in the dialect, and not the whole file.
        Assert.Equal("Source.cs", found.Location.GetLineSpan().Path);
        Assert.InRange(found.Location.GetLineSpan().StartLinePosition.Line, 1, source.Split('\n').Length);
        return found;
    }

    private static string Kernel(string statements) => Class($$"""
            [Kernel]
            public static void K(ArrayView<int> i, ArrayView<float> x, int n)
            {
        {{statements}}
            }
        """);

    private static string Class(string members) => $$"""
        using CoInference.Kernels.Gpu.Dialect;
        internal struct Flagged { public bool Flag; }
        internal struct Property { public int A { get; set; } }
        internal struct Money { public int Amount; public static explicit operator Money(int amount) => new() { Amount = amount }; public static explicit operator int(Money money) => money.Amount; }
        internal sealed class Sources
        {
            public static int Counter;
            public static int Add(int a, int b) => a + b;
            public static int Take(Money a) => a.Amount;
            public static int ByReference(ref int a) => a;
            public static int Generic<T>(int a) => a;
            public static int Again(int a) => a > 0 ? Other(a - 1) : 0;
            private static int Other(int a) => Again(a);
        {{members}}
        }
        """;
}
