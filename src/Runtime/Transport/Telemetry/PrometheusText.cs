using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace CoInference.Runtime.Transport.Telemetry;

/// <summary>Collects the instruments of one meter and writes them in the Prometheus text format, version 0.0.4.</summary>
/// <remarks>
/// A dot in a name becomes an underscore and the unit a suffix: the counter <c>edge.received</c> in bytes is
/// <c>coinference_edge_received_bytes_total</c>. At most one tag per measurement is kept, which is what the instruments use.
/// </remarks>
internal sealed class PrometheusText : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentQueue<Series> _series = new();

    /// <param name="meter">The meter; instruments that it gets later are seen too.</param>
    public PrometheusText(Meter meter)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter != meter) return;
            var series = new Series(instrument);
            _series.Enqueue(series);
            listener.EnableMeasurementEvents(instrument, series);
        };
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, state) => ((Series)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<int>(static (_, value, tags, state) => ((Series)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, state) => ((Series)state!).Record(value, tags));
        _listener.Start();
    }

    /// <summary>All series as they are now.</summary>
    public string Write()
    {
        _listener.RecordObservableInstruments();
        var text = new StringBuilder();
        foreach (Series series in _series) series.Write(text);
        return text.ToString();
    }

    public void Dispose() => _listener.Dispose();

    /// <summary>One instrument with a cell for each value of its tag.</summary>
    private sealed class Series
    {
        private readonly Instrument _instrument;
        private readonly string _name;
        private readonly string _type;
        private readonly double[] _bounds;
        private readonly ConcurrentDictionary<string, Cell> _cells = new();
        private readonly Cell _untagged;
        private string _tag = "";

        public Series(Instrument instrument)
        {
            _instrument = instrument;
            _bounds = instrument switch
            {
                Histogram<double> seconds => [.. seconds.Advice?.HistogramBucketBoundaries ?? []],
                Histogram<int> counts => [.. (counts.Advice?.HistogramBucketBoundaries ?? []).Select(bound => (double)bound)],
                _ => [],
            };
            _type = _bounds.Length > 0 ? "histogram" : instrument.IsObservable ? "gauge" : "counter";
            string unit = instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
            _name = $"coinference_{instrument.Name.Replace('.', '_')}{unit}{(_type == "counter" ? "_total" : "")}";
            _untagged = new Cell(_bounds.Length);
        }

        public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            Cell cell = _untagged;
            if (tags is [{ Value: string tag } first, ..])
            {
                _tag = first.Key;
                if (!_cells.TryGetValue(tag, out cell!)) cell = _cells.GetOrAdd(tag, static (_, buckets) => new Cell(buckets), _bounds.Length);
            }

            if (_type == "gauge") cell.Set(value);
            else cell.Add(value, _bounds);
        }

        public void Write(StringBuilder text)
        {
            text.Append(CultureInfo.InvariantCulture, $"# HELP {_name} {_instrument.Description}\n# TYPE {_name} {_type}\n");
            if (_cells.IsEmpty) Write(text, _untagged, "");
            foreach ((string value, Cell cell) in _cells.OrderBy(entry => entry.Key, StringComparer.Ordinal)) Write(text, cell, $"{_tag}=\"{value}\"");
        }

        private void Write(StringBuilder text, Cell cell, string label)
        {
            (long count, double sum, long[] buckets) = cell.Read();
            string labels = label.Length == 0 ? "" : $"{{{label}}}";
            if (_bounds.Length == 0)
            {
                text.Append(CultureInfo.InvariantCulture, $"{_name}{labels} {sum}\n");
                return;
            }

            long below = 0;
            for (int i = 0; i < _bounds.Length; i++)
            {
                below += buckets[i];
                text.Append(CultureInfo.InvariantCulture, $"{_name}_bucket{{le=\"{_bounds[i]}\"}} {below}\n");
            }

            text.Append(CultureInfo.InvariantCulture, $"{_name}_bucket{{le=\"+Inf\"}} {count}\n{_name}_sum{labels} {sum}\n{_name}_count{labels} {count}\n");
        }
    }

    /// <summary>Count, sum and buckets, consistent with each other whenever they are read.</summary>
    private sealed class Cell(int buckets)
    {
        private readonly Lock _gate = new();
        private readonly long[] _buckets = new long[buckets];
        private long _count;
        private double _sum;

        public void Set(double value)
        {
            lock (_gate) (_count, _sum) = (1, value);
        }

        public void Add(double value, double[] bounds)
        {
            int bucket = 0;
            while (bucket < bounds.Length && value > bounds[bucket]) bucket++;
            lock (_gate)
            {
                _count++;
                _sum += value;
                if (bucket < _buckets.Length) _buckets[bucket]++;
            }
        }

        public (long Count, double Sum, long[] Buckets) Read()
        {
            lock (_gate) return (_count, _sum, [.. _buckets]);
        }
    }
}
