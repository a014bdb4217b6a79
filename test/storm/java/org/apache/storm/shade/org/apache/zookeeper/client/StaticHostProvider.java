package org.apache.storm.shade.org.apache.zookeeper.client;

import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/**
 * Gives ZooKeeper's client its servers in turn.
 *
 * <p>It stands before Storm's own class of this name in the class path: that one, of ZooKeeper 3.4, reads the text of an
 * address, which has another form from Java 14 on (ZOOKEEPER-3779), and so never finds a server there.
 */
public final class StaticHostProvider implements HostProvider {
    private final List<InetSocketAddress> servers;
    private int next;

    public StaticHostProvider(Collection<InetSocketAddress> servers) {
        this.servers = new ArrayList<>(servers);
    }

    @Override
    public int size() {
        return servers.size();
    }

    @Override
    public InetSocketAddress next(long spinDelay) {
        InetSocketAddress server = servers.get(next++ % servers.size());
        return new InetSocketAddress(server.getHostString(), server.getPort());
    }

    @Override
    public void onConnected() {}
}
