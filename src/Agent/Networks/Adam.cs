using System.Numerics;
using System.Runtime.InteropServices;

namespace CoInference.Agent.Networks;

/// <summary>The Adam optimizer (Kingma and Ba, 2015) with its usual constants.</summary>
public sealed class Adam
{
    private readonly float _rate, _decay1, _decay2, _epsilon;
    private readonly float[] _mean;
    private readonly float[] _square;
    private int _steps;

    /// <summary>Creates an optimizer for a vector of parameters.</summary>
    /// <param name="parameters">Length of the vector.</param>
    /// <param name="rate">Learning rate.</param>
    /// <param name="decay1">Decay of the mean of the gradients.</param>
    /// <param name="decay2">Decay of the mean of their squares.</param>
    /// <param name="epsilon">Added to the root, against division by zero.</param>
    public Adam(int parameters, double rate, double decay1 = 0.9, double decay2 = 0.999, double epsilon = 1e-8)
    {
        (_rate, _decay1, _decay2, _epsilon) = ((float)rate, (float)decay1, (float)decay2, (float)epsilon);
        _mean = new float[parameters];
        _square = new float[parameters];
    }

    /// <summary>Moves the parameters one step against the gradients.</summary>
    /// <exception cref="ArgumentException">A span has another length than the optimizer was made for.</exception>
    public void Step(Span<float> parameters, ReadOnlySpan<float> gradients)
    {
        if (parameters.Length != _mean.Length || gradients.Length != _mean.Length)
            throw new ArgumentException($"The optimizer holds {_mean.Length} parameters, not {parameters.Length} with {gradients.Length} gradients.");
        _steps++;
        float correction1 = 1 - MathF.Pow(_decay1, _steps), correction2 = 1 - MathF.Pow(_decay2, _steps);
        float step = _rate / correction1, root = 1 / MathF.Sqrt(correction2);
        ref float p = ref MemoryMarshal.GetReference(parameters), g = ref MemoryMarshal.GetReference(gradients);
        ref float m = ref MemoryMarshal.GetArrayDataReference(_mean), v = ref MemoryMarshal.GetArrayDataReference(_square);
        int width = Vector<float>.Count, i = 0;
        for (; i <= parameters.Length - width; i += width)
        {
            nuint at = (nuint)i;
            Vector<float> gradient = Vector.LoadUnsafe(ref g, at);
            Vector<float> mean = (Vector.LoadUnsafe(ref m, at) * _decay1) + (gradient * (1 - _decay1));
            Vector<float> square = (Vector.LoadUnsafe(ref v, at) * _decay2) + (gradient * gradient * (1 - _decay2));
            mean.StoreUnsafe(ref m, at);
            square.StoreUnsafe(ref v, at);
            Vector<float> scale = (Vector.SquareRoot(square) * root) + new Vector<float>(_epsilon);
            (Vector.LoadUnsafe(ref p, at) - (mean * step / scale)).StoreUnsafe(ref p, at);
        }

        for (; i < parameters.Length; i++)
        {
            _mean[i] = (_mean[i] * _decay1) + (gradients[i] * (1 - _decay1));
            _square[i] = (_square[i] * _decay2) + (gradients[i] * gradients[i] * (1 - _decay2));
            parameters[i] -= _mean[i] * step / ((MathF.Sqrt(_square[i]) * root) + _epsilon);
        }
    }

    /// <summary>Writes the moments and the step count.</summary>
    public void Save(BinaryWriter writer)
    {
        writer.Write(_steps);
        ParameterFile.Write(writer, _mean);
        ParameterFile.Write(writer, _square);
    }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The stored optimizer has another number of parameters.</exception>
    public void Restore(BinaryReader reader)
    {
        _steps = reader.ReadInt32();
        ParameterFile.Read(reader, _mean);
        ParameterFile.Read(reader, _square);
    }
}
