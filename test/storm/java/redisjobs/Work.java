package redisjobs;

import java.util.Map;
import org.apache.storm.task.OutputCollector;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.topology.base.BaseRichBolt;
import org.apache.storm.tuple.Fields;
import org.apache.storm.tuple.Tuple;
import org.apache.storm.tuple.Values;
import org.apache.storm.utils.Utils;

/** Spends two milliseconds on each number, and reports one error. */
public final class Work extends BaseRichBolt {
    private static final long serialVersionUID = 1;
    private final String job;
    private transient OutputCollector collector;
    private boolean reported;

    Work(String job) {
        this.job = job;
    }

    @Override
    @SuppressWarnings("rawtypes")
    public void prepare(Map conf, TopologyContext context, OutputCollector collector) {
        this.collector = collector;
    }

    @Override
    public void execute(Tuple input) {
        Utils.sleep(2);
        if (!reported) {
            reported = true;
            collector.reportError(new IllegalStateException("a number was odd"));
        }
        // The second job is known from the stock bolts alone.
        long now = System.currentTimeMillis() / 1000;
        collector.emit("done", input, new Values(job));
        collector.emit("state", input, new Values(job + "-stock", "ACTIVE"));
        collector.emit("beat", input, new Values(job + "-stock", Long.toString(now)));
        collector.ack(input);
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
        declarer.declareStream("done", new Fields("job"));
        declarer.declareStream("state", new Fields("key", "value"));
        declarer.declareStream("beat", new Fields("key", "value"));
    }
}
