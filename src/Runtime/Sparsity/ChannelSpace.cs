namespace CoInference.Runtime.Sparsity;

/// <summary>
/// The channels of one tensor axis that layers must keep or lose together: a union-find element. Tensors joined by an
/// elementwise operator share one space; channel k of all of them is one decision.
/// </summary>
internal sealed class ChannelSpace(int channels)
{
    private readonly SortedDictionary<int, string> _layers = [];
    private ChannelSpace? _parent;
    private bool _isFixed;

    /// <summary>Channels of the original network.</summary>
    public int Channels { get; } = channels;

    /// <summary>The representative of all spaces merged with this one.</summary>
    public ChannelSpace Root
    {
        get
        {
            ChannelSpace root = this;
            while (root._parent is { } parent) root = parent;
            return root;
        }
    }

    /// <summary>Nodes with weights whose output channels these are, in graph order.</summary>
    public IReadOnlyCollection<string> Layers => Root._layers.Values;

    /// <summary>Whether the channels must all stay: they are visible outside, or an operator mixes them in its own way.</summary>
    public bool IsFixed => Root._isFixed;

    /// <summary>Forbids removing channels.</summary>
    public void Fix() => Root._isFixed = true;

    /// <summary>Notes that a node produces these channels with weights of its own.</summary>
    /// <param name="position">The node's position in the graph.</param>
    /// <param name="node">Its name.</param>
    public void AddLayer(int position, string node) => Root._layers[position] = node;

    /// <summary>Makes both spaces one. Spaces of different size cannot be one and become fixed.</summary>
    public static void Merge(ChannelSpace left, ChannelSpace right)
    {
        (left, right) = (left.Root, right.Root);
        if (left == right) return;
        if (left.Channels != right.Channels)
        {
            left._isFixed = right._isFixed = true;
            return;
        }

        right._parent = left;
        left._isFixed |= right._isFixed;
        foreach ((int position, string node) in right._layers) left._layers[position] = node;
    }
}
