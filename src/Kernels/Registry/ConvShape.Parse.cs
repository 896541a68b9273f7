using System.Globalization;
using System.Text.RegularExpressions;

namespace CoInference.Kernels.Registry;

public sealed partial record ConvShape
{
    /// <summary>Reads the form that <see cref="ToString"/> writes, e.g. <c>1x64x56x56:64k3s1p1</c>.</summary>
    /// <remarks>
    /// Batch x channels x height x width, a colon, output channels, then in any order <c>k</c> kernel (required), <c>s</c>
    /// stride, <c>p</c> padding, <c>d</c> dilation, <c>g</c> groups. <c>k</c>, <c>s</c> and <c>d</c> take one number or
    /// HEIGHTxWIDTH; <c>p</c> takes one number or top,left,bottom,right.
    /// </remarks>
    /// <exception cref="FormatException">The text does not have this form, or the layer it describes is empty.</exception>
    public static ConvShape Parse(string text)
    {
        Match match = Form().Match(text);
        if (!match.Success) throw Malformed(text);
        int[] input = Numbers(match.Groups["input"].Value, 'x', text);
        var shape = new ConvShape
        {
            Batch = input[0],
            InChannels = input[1],
            InHeight = input[2],
            InWidth = input[3],
            OutChannels = Numbers(match.Groups["out"].Value, 'x', text)[0],
        };
        bool hasKernel = false;
        foreach (Capture field in match.Groups["field"].Captures)
        {
            string value = field.Value[1..];
            if (field.Value[0] == 'p')
            {
                int[] pad = Numbers(value, ',', text);
                if (pad.Length is not (1 or 4)) throw Malformed(text);
                shape = shape with { PadTop = pad[0], PadLeft = pad[pad.Length / 4], PadBottom = pad[pad.Length / 2], PadRight = pad[^1] };
                continue;
            }

            int[] pair = Numbers(value, 'x', text);
            if (pair.Length > 2 || (field.Value[0] == 'g' && pair.Length > 1)) throw Malformed(text);
            hasKernel |= field.Value[0] == 'k';
            shape = field.Value[0] switch
            {
                'k' => shape with { KernelHeight = pair[0], KernelWidth = pair[^1] },
                's' => shape with { StrideY = pair[0], StrideX = pair[^1] },
                'd' => shape with { DilationY = pair[0], DilationX = pair[^1] },
                _ => shape with { Groups = pair[0] },
            };
        }

        if (!hasKernel) throw Malformed(text);
        try
        {
            shape.Validate();
        }
        catch (ArgumentException failure)
        {
            throw new FormatException(failure.Message, failure);
        }

        return shape;
    }

    private static int[] Numbers(string text, char separator, string whole) =>
        [.. text.Split(separator).Select(part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number <= 1 << 20
            ? number
            : throw Malformed(whole))];

    private static FormatException Malformed(string text) =>
        new($"Convolution '{text}' is not of the form BATCHxCHANNELSxHEIGHTxWIDTH:OUTkKERNEL[sSTRIDE][pPAD][dDILATION][gGROUPS], e.g. 1x64x56x56:64k3s1p1.");

    [GeneratedRegex(@"^(?<input>\d+x\d+x\d+x\d+):(?<out>\d+)(?<field>[kspdg]\d+([x,]\d+)*)+$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Form();
}
