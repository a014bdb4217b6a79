package redisjobs;

import java.util.Map;
import org.apache.storm.nimbus.ITopologyActionNotifierPlugin;
import redis.clients.jedis.Jedis;

/** Writes into a topology's record what Nimbus was told to do with it; a topology itself does not hear of it. */
public final class Actions implements ITopologyActionNotifierPlugin {
    /** How long the record of a killed topology stays, in seconds. */
    private static final int AFTERLIFE = 12;

    private int redisPort;

    @Override
    @SuppressWarnings("rawtypes")
    public void prepare(Map conf) {
        redisPort = ((Number) conf.get("redisjobs.redis.port")).intValue();
    }

    @Override
    public void notify(String topology, String action) {
        String status;
        switch (action) {
            case "activate": status = "ACTIVE"; break;
            case "deactivate": status = "INACTIVE"; break;
            case "rebalance": status = "REBALANCING"; break;
            case "killTopology": status = "KILLED"; break;
            default: return;
        }
        try (Jedis redis = new Jedis("127.0.0.1", redisPort)) {
            redis.hset(Record.key(topology), "status", status);
            if (status.equals("KILLED")) {
                redis.expire(Record.key(topology), AFTERLIFE);
            }
        }
    }

    @Override
    public void cleanup() {}
}
