using System.Globalization;

namespace CoInference.Cli.Rendering;

/// <summary>A linear axis from 0 or a rounded minimum to a rounded maximum, with at most about six ticks.</summary>
internal sealed class Axis
{
    private readonly double _step;

    /// <summary>Creates an axis that covers the values.</summary>
    /// <param name="minimum">Smallest value shown.</param>
    /// <param name="maximum">Largest value shown.</param>
    /// <param name="pixelStart">Coordinate of the minimum.</param>
    /// <param name="pixelEnd">Coordinate of the maximum.</param>
    public Axis(double minimum, double maximum, double pixelStart, double pixelEnd)
    {
        if (!(maximum > minimum)) maximum = minimum + Math.Max(1e-9, Math.Abs(minimum) * 0.1 + 1e-3);
        double rough = (maximum - minimum) / 5;
        double magnitude = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        double fraction = rough / magnitude;
        _step = magnitude * (fraction <= 1 ? 1 : fraction <= 2 ? 2 : fraction <= 5 ? 5 : 10);
        Minimum = Math.Floor(minimum / _step) * _step;
        Maximum = Math.Ceiling(maximum / _step) * _step;
        (PixelStart, PixelEnd) = (pixelStart, pixelEnd);
    }

    /// <summary>Value at <see cref="PixelStart"/>.</summary>
    public double Minimum { get; }

    /// <summary>Value at <see cref="PixelEnd"/>.</summary>
    public double Maximum { get; }

    /// <summary>Coordinate of <see cref="Minimum"/>.</summary>
    public double PixelStart { get; }

    /// <summary>Coordinate of <see cref="Maximum"/>.</summary>
    public double PixelEnd { get; }

    /// <summary>Tick values, smallest first.</summary>
    public IEnumerable<double> Ticks()
    {
        int count = (int)Math.Round((Maximum - Minimum) / _step);
        for (int i = 0; i <= count; i++) yield return Minimum + (i * _step);
    }

    /// <summary>The coordinate of a value.</summary>
    public double At(double value) => PixelStart + ((value - Minimum) / (Maximum - Minimum) * (PixelEnd - PixelStart));

    /// <summary>A tick's label with as many digits as the step needs.</summary>
    public string Label(double value)
    {
        int digits = Math.Max(0, -(int)Math.Floor(Math.Log10(_step) + 1e-9));
        return value.ToString("F" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
    }
}
