package redisjobs;

import java.util.HashMap;
import java.util.Map;
import org.apache.storm.Config;
import org.apache.storm.redis.bolt.AbstractRedisBolt;
import org.apache.storm.redis.common.config.JedisPoolConfig;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.tuple.Tuple;
import redis.clients.jedis.JedisCommands;

/** Keeps the topology's record in Redis: a hash for the job, written once a second also while nothing is done. */
public final class Record extends AbstractRedisBolt {
    private static final long serialVersionUID = 1;
    private final String job;
    private final long started = System.currentTimeMillis() / 1000;
    private long processed;

    Record(JedisPoolConfig redis, String job) {
        super(redis);
        this.job = job;
    }

    static String key(String job) {
        return "storm:job:" + job;
    }

    @Override
    public Map<String, Object> getComponentConfiguration() {
        Map<String, Object> conf = new HashMap<>();
        conf.put(Config.TOPOLOGY_TICK_TUPLE_FREQ_SECS, 1);
        return conf;
    }

    @Override
    protected void process(Tuple input) {
        processed++;
        collector.ack(input);
    }

    @Override
    protected void onTickTuple(Tuple tick) {
        JedisCommands redis = getInstance();
        try {
            Map<String, String> fields = new HashMap<>();
            fields.put("type", "topology");
            fields.put("updated_at", Long.toString(System.currentTimeMillis() / 1000));
            fields.put("started_at", Long.toString(started));
            fields.put("processed", Long.toString(processed));
            fields.put("interval", "1");
            redis.hmset(key(job), fields);
            redis.sadd("storm:jobs", job, job + "-stock");
        } finally {
            returnInstance(redis);
        }
        collector.ack(tick);
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {}
}
