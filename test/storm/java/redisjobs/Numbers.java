package redisjobs;

import java.util.Map;
import org.apache.storm.spout.SpoutOutputCollector;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.topology.base.BaseRichSpout;
import org.apache.storm.tuple.Fields;
import org.apache.storm.tuple.Values;
import org.apache.storm.utils.Utils;
import redis.clients.jedis.Jedis;

/** Emits a number about 50 times a second, and tells the record when it is let to. */
public final class Numbers extends BaseRichSpout {
    private static final long serialVersionUID = 1;
    private final String job;
    private final int redisPort;
    private transient SpoutOutputCollector collector;
    private long number;

    Numbers(String job, int redisPort) {
        this.job = job;
        this.redisPort = redisPort;
    }

    @Override
    @SuppressWarnings("rawtypes")
    public void open(Map conf, TopologyContext context, SpoutOutputCollector collector) {
        this.collector = collector;
    }

    /** Storm calls it at the start and after a rebalance, the end of which nobody tells of otherwise. */
    @Override
    public void activate() {
        try (Jedis redis = new Jedis("127.0.0.1", redisPort)) {
            redis.hset(Record.key(job), "status", "ACTIVE");
        }
    }

    @Override
    public void nextTuple() {
        Utils.sleep(20);
        number++;
        collector.emit(new Values(number), number);
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
        declarer.declare(new Fields("number"));
    }
}
