using System.Numerics.Tensors;

namespace CoInference.Agent.Networks;

/// <summary>What the last layer of an <see cref="Mlp"/> applies to its sums.</summary>
public enum OutputActivation
{
    /// <summary>Nothing.</summary>
    Linear,

    /// <summary>1 / (1 + e^-x).</summary>
    Sigmoid,
}

/// <summary>
/// A fully connected network with ReLU between its layers, and its derivative. Weights of a layer are stored
/// inputs x outputs, row-major, followed by its biases; all layers lie in one array, so that an optimizer, a soft
/// update or a file sees one vector.
/// </summary>
/// <remarks>Not thread-safe: a forward pass leaves its activations for the backward pass.</remarks>
public sealed class Mlp
{
    private readonly int[] _widths;
    private readonly OutputActivation _output;
    private readonly float[] _parameters;
    private readonly float[] _gradients;
    private readonly float[][] _activations;
    private readonly float[][] _deltas;
    private readonly float[] _transposed;
    private int _rows;

    /// <summary>Creates a network with weights and biases uniform in ±1/√inputs of their layer.</summary>
    /// <param name="widths">Inputs, units of each hidden layer, outputs.</param>
    /// <param name="output">Activation of the last layer.</param>
    /// <param name="maximumRows">Rows of the largest batch.</param>
    /// <param name="random">Source of the initial weights.</param>
    /// <exception cref="ArgumentException">Fewer than two widths, or one that is not positive.</exception>
    public Mlp(ReadOnlySpan<int> widths, OutputActivation output, int maximumRows, RandomSource random)
    {
        if (widths.Length < 2) throw new ArgumentException("A network needs at least an input and an output width.", nameof(widths));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maximumRows);
        foreach (int width in widths) ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width, nameof(widths));
        _widths = widths.ToArray();
        _output = output;
        int parameters = 0, largestLayer = 0;
        for (int layer = 0; layer < Layers; layer++)
        {
            parameters += (_widths[layer] + 1) * _widths[layer + 1];
            largestLayer = Math.Max(largestLayer, _widths[layer] * _widths[layer + 1]);
        }

        _parameters = new float[parameters];
        _gradients = new float[parameters];
        _transposed = new float[largestLayer];
        _activations = [.. _widths.Select(width => new float[maximumRows * width])];
        _deltas = [.. _widths.Select(width => new float[maximumRows * width])];
        for (int layer = 0, at = 0; layer < Layers; layer++)
        {
            double bound = 1 / Math.Sqrt(_widths[layer]);
            for (int end = at + ((_widths[layer] + 1) * _widths[layer + 1]); at < end; at++) _parameters[at] = (float)(((2 * random.NextUniform()) - 1) * bound);
        }
    }

    /// <summary>Values per input row.</summary>
    public int InputWidth => _widths[0];

    /// <summary>Values per output row.</summary>
    public int OutputWidth => _widths[^1];

    /// <summary>Weights and biases of all layers.</summary>
    public Span<float> Parameters => _parameters;

    /// <summary>Derivative of the loss by each parameter, summed by <see cref="Backward"/> since <see cref="ClearGradients"/>.</summary>
    public Span<float> Gradients => _gradients;

    /// <summary>Biases of the last layer.</summary>
    public Span<float> OutputBiases => _parameters.AsSpan(_parameters.Length - OutputWidth);

    private int Layers => _widths.Length - 1;

    /// <summary>Computes the outputs of a batch.</summary>
    /// <param name="input">Row-major, <paramref name="rows"/> x <see cref="InputWidth"/>.</param>
    /// <param name="rows">Rows in the batch.</param>
    /// <returns>Row-major, <paramref name="rows"/> x <see cref="OutputWidth"/>; valid until the next forward pass.</returns>
    /// <exception cref="ArgumentException">The input has another length, or more rows than the network was made for.</exception>
    public ReadOnlySpan<float> Forward(ReadOnlySpan<float> input, int rows)
    {
        if (input.Length != rows * InputWidth) throw new ArgumentException($"{input.Length} values are not {rows} rows of {InputWidth}.", nameof(input));
        if (input.Length > _activations[0].Length) throw new ArgumentException($"The network was made for {_activations[0].Length / InputWidth} rows, not {rows}.", nameof(rows));
        _rows = rows;
        input.CopyTo(_activations[0]);
        for (int layer = 0, at = 0; layer < Layers; layer++)
        {
            int inputs = _widths[layer], outputs = _widths[layer + 1];
            ReadOnlySpan<float> weights = _parameters.AsSpan(at, inputs * outputs), biases = _parameters.AsSpan(at + weights.Length, outputs);
            Span<float> result = _activations[layer + 1].AsSpan(0, rows * outputs);
            for (int row = 0; row < rows; row++) biases.CopyTo(result.Slice(row * outputs, outputs));
            MatrixProduct.Run(rows, outputs, inputs, _activations[layer], inputs, 1, weights, result, accumulate: true);
            if (layer < Layers - 1) TensorPrimitives.Max(result, 0, result);
            else if (_output == OutputActivation.Sigmoid) TensorPrimitives.Sigmoid(result, result);
            at += weights.Length + outputs;
        }

        return _activations[Layers].AsSpan(0, rows * OutputWidth);
    }

    /// <summary>Carries the derivative of a loss from the outputs of the last forward pass back to parameters and inputs.</summary>
    /// <param name="outputGradient">Derivative of the loss by each output of the last <see cref="Forward"/>.</param>
    /// <param name="inputGradient">Receives the derivative by each input; empty when it is not wanted.</param>
    /// <param name="parameters">Whether the derivative by the parameters is added to <see cref="Gradients"/>.</param>
    /// <exception cref="ArgumentException">A span has another length than the last batch.</exception>
    public void Backward(ReadOnlySpan<float> outputGradient, Span<float> inputGradient, bool parameters = true)
    {
        int rows = _rows;
        if (outputGradient.Length != rows * OutputWidth) throw new ArgumentException($"{outputGradient.Length} values are not {rows} rows of {OutputWidth}.", nameof(outputGradient));
        if (inputGradient.Length != 0 && inputGradient.Length != rows * InputWidth) throw new ArgumentException($"{inputGradient.Length} values are not {rows} rows of {InputWidth}.", nameof(inputGradient));
        Span<float> top = _deltas[Layers].AsSpan(0, outputGradient.Length);
        outputGradient.CopyTo(top);
        if (_output == OutputActivation.Sigmoid)
        {
            ReadOnlySpan<float> values = _activations[Layers];
            for (int i = 0; i < top.Length; i++) top[i] *= values[i] * (1 - values[i]);
        }

        int at = _parameters.Length;
        for (int layer = Layers - 1; layer >= 0; layer--)
        {
            int inputs = _widths[layer], outputs = _widths[layer + 1];
            at -= (inputs + 1) * outputs;
            ReadOnlySpan<float> delta = _deltas[layer + 1].AsSpan(0, rows * outputs), below = _activations[layer].AsSpan(0, rows * inputs);
            if (parameters)
            {
                MatrixProduct.Run(inputs, outputs, rows, below, 1, inputs, delta, _gradients.AsSpan(at, inputs * outputs), accumulate: true);
                Span<float> biases = _gradients.AsSpan(at + (inputs * outputs), outputs);
                for (int row = 0; row < rows; row++) TensorPrimitives.Add(biases, delta.Slice(row * outputs, outputs), biases);
            }

            if (layer == 0 && inputGradient.IsEmpty) return;
            Span<float> next = layer == 0 ? inputGradient : _deltas[layer].AsSpan(0, rows * inputs);
            Span<float> transposed = _transposed.AsSpan(0, inputs * outputs);
            Transpose(_parameters.AsSpan(at, transposed.Length), inputs, outputs, transposed);
            MatrixProduct.Run(rows, inputs, outputs, delta, outputs, 1, transposed, next, accumulate: false);
            if (layer == 0) return;
            for (int i = 0; i < next.Length; i++) next[i] = below[i] > 0 ? next[i] : 0;
        }
    }

    /// <summary>Sets <see cref="Gradients"/> to zero.</summary>
    public void ClearGradients() => Gradients.Clear();

    /// <summary>Copies the parameters of a network of the same widths.</summary>
    public void CopyFrom(Mlp source) => source._parameters.CopyTo(Parameters);

    /// <summary>θ ← θ + <paramref name="rate"/> · (θ of <paramref name="source"/> − θ): the soft target update of DDPG.</summary>
    /// <exception cref="ArgumentException">The networks have different widths.</exception>
    public void MoveTowards(Mlp source, float rate) => TensorPrimitives.Lerp(_parameters, source._parameters, rate, _parameters);

    /// <summary>Writes all parameters.</summary>
    public void Save(BinaryWriter writer) => ParameterFile.Write(writer, _parameters);

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The stored network has another number of parameters.</exception>
    public void Restore(BinaryReader reader) => ParameterFile.Read(reader, _parameters);

    private static void Transpose(ReadOnlySpan<float> source, int rows, int columns, Span<float> target)
    {
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> from = source.Slice(row * columns, columns);
            for (int column = 0; column < from.Length; column++) target[(column * rows) + row] = from[column];
        }
    }
}
