package redisjobs;

import org.apache.storm.Config;
import org.apache.storm.StormSubmitter;
import org.apache.storm.redis.bolt.RedisStoreBolt;
import org.apache.storm.redis.common.config.JedisPoolConfig;
import org.apache.storm.redis.common.mapper.RedisDataTypeDescription;
import org.apache.storm.redis.common.mapper.RedisDataTypeDescription.RedisDataType;
import org.apache.storm.redis.common.mapper.RedisStoreMapper;
import org.apache.storm.topology.TopologyBuilder;
import org.apache.storm.tuple.ITuple;

/** Submits the topology: NAME REDIS-PORT. */
public final class Submit {
    public static void main(String[] args) throws Exception {
        String job = args[0];
        int redisPort = Integer.parseInt(args[1]);
        JedisPoolConfig redis = new JedisPoolConfig("127.0.0.1", redisPort, 5000, null, 0);

        TopologyBuilder topology = new TopologyBuilder();
        topology.setSpout("numbers", new Numbers(job, redisPort));
        topology.setBolt("work", new Work(job)).shuffleGrouping("numbers");
        topology.setBolt("record", new Record(redis, job)).shuffleGrouping("work", "done");
        topology.setBolt("state", store(redis, RedisDataType.HASH, "storm:jobs:state")).shuffleGrouping("work", "state");
        topology.setBolt("beat", store(redis, RedisDataType.SORTED_SET, "storm:jobs:heartbeat"))
                .shuffleGrouping("work", "beat");

        Config conf = new Config();
        conf.setNumWorkers(1);
        conf.setNumAckers(1);
        conf.setMaxSpoutPending(100);
        // A figure of the first hundred tuples, not of the first ten thousand.
        conf.setStatsSampleRate(1.0);
        StormSubmitter.submitTopology(job, conf, topology.createTopology());
    }

    /** A stock bolt that writes the tuple's value under its key in one Redis key. */
    private static RedisStoreBolt store(JedisPoolConfig redis, RedisDataType type, String key) {
        return new RedisStoreBolt(redis, new Pairs(new RedisDataTypeDescription(type, key)));
    }

    private static final class Pairs implements RedisStoreMapper {
        private static final long serialVersionUID = 1;
        private final RedisDataTypeDescription description;

        Pairs(RedisDataTypeDescription description) {
            this.description = description;
        }

        @Override
        public RedisDataTypeDescription getDataTypeDescription() {
            return description;
        }

        @Override
        public String getKeyFromTuple(ITuple tuple) {
            return tuple.getStringByField("key");
        }

        @Override
        public String getValueFromTuple(ITuple tuple) {
            return tuple.getStringByField("value");
        }
    }
}
