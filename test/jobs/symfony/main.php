<?php
// One role of Symfony Messenger's Redis transport: main.php produce|work|figures, against the Redis of REDIS_URL.
// Only the component and what it needs; SYMFONY_PHP is the folder that it is in.

error_reporting(E_ALL & ~E_DEPRECATED & ~E_USER_DEPRECATED);
$php = getenv('SYMFONY_PHP');
foreach (['Messenger/Bridge/Redis', 'EventDispatcher'] as $component) {
    require_once "$php/Symfony/Component/$component/autoload.php";
}
require_once "$php/Psr/Container/autoload.php";

use Psr\Container\ContainerInterface;
use Symfony\Component\EventDispatcher\EventDispatcher;
use Symfony\Component\Messenger\Bridge\Redis\Transport\Connection;
use Symfony\Component\Messenger\Bridge\Redis\Transport\RedisTransport;
use Symfony\Component\Messenger\Envelope;
use Symfony\Component\Messenger\EventListener\SendFailedMessageForRetryListener;
use Symfony\Component\Messenger\EventListener\SendFailedMessageToFailureTransportListener;
use Symfony\Component\Messenger\Handler\HandlersLocator;
use Symfony\Component\Messenger\MessageBus;
use Symfony\Component\Messenger\Middleware\HandleMessageMiddleware;
use Symfony\Component\Messenger\Retry\MultiplierRetryStrategy;
use Symfony\Component\Messenger\Stamp\DelayStamp;
use Symfony\Component\Messenger\Worker;

const STREAMS = ['messages', 'slow_async', 'unserved_async', 'failed'];

class Ok
{
}

class Slow
{
}

class Fails
{
}

class Later
{
}

// Retries is a strategy that tries one kind of message again, in an hour.
class Retries extends MultiplierRetryStrategy
{
    public function isRetryable(Envelope $message, ?Throwable $throwable = null): bool
    {
        return $message->getMessage() instanceof Later;
    }
}

// Known is a container of what is given to it.
class Known implements ContainerInterface
{
    public function __construct(private array $known)
    {
    }

    public function get(string $id): mixed
    {
        return $this->known[$id];
    }

    public function has(string $id): bool
    {
        return isset($this->known[$id]);
    }
}

function transports(): array
{
    $out = [];
    foreach (STREAMS as $stream) {
        $out[$stream] = new RedisTransport(Connection::fromDsn(getenv('REDIS_URL') . "/$stream/symfony/w1"));
    }

    return $out;
}

function produce(): void
{
    $transports = transports();
    $send = fn (string $stream, object $message, int $delay = 0) => $transports[$stream]->send(
        new Envelope($message, $delay ? [new DelayStamp($delay)] : [])
    );
    for ($i = 0; $i < 3; ++$i) {
        $send('messages', new Ok());
        $send('slow_async', new Slow());
    }
    $send('messages', new Fails());
    $send('messages', new Later());
    $send('messages', new Ok(), 3600000);
    $send('unserved_async', new Ok());
    $send('unserved_async', new Ok());
    $send('unserved_async', new Ok(), 1000);
}

function work(): void
{
    $transports = transports();
    $served = ['messages' => $transports['messages'], 'slow_async' => $transports['slow_async']];
    $fail = fn () => throw new RuntimeException('on purpose');
    $bus = new MessageBus([new HandleMessageMiddleware(new HandlersLocator([
        Ok::class => [fn (Ok $message) => null], Slow::class => [fn (Slow $message) => sleep(900)],
        Fails::class => [$fail], Later::class => [$fail],
    ]))]);
    $events = new EventDispatcher();
    $retries = new Retries(3, 3600000);
    $events->addSubscriber(new SendFailedMessageForRetryListener(new Known($served), new Known(array_fill_keys(STREAMS, $retries))));
    $events->addSubscriber(new SendFailedMessageToFailureTransportListener(new Known(array_fill_keys(STREAMS, $transports['failed']))));
    (new Worker($served, $bus, $events))->run(['sleep' => 100000]);
}

// What Messenger tells of a transport is how many messages wait in it; of the failure transport, how many have failed. When
// the oldest one was added and the running one was taken, Redis tells as Messenger itself asks it.
function figures(array $transports, Redis $redis): array
{
    $queues = [];
    $running = 0;
    foreach ($transports as $stream => $transport) {
        $count = $transport->getMessageCount();
        if ('failed' === $stream) {
            $queues[$stream] = ['failed' => $count];
            continue;
        }
        $group = $redis->xinfo('GROUPS', $stream)[0];
        [$ms, $sequence] = explode('-', $group['last-delivered-id']);
        $first = array_key_first($redis->xrange($stream, $ms . '-' . ((int) $sequence + 1), '+', 1));
        $latency = $first ? microtime(true) - (int) $first / 1000 : 0;
        $queues[$stream] = ['waiting' => $count, 'latency' => $latency];
        foreach ($redis->xpending($stream, 'symfony', '-', '+', 10) as $taken) {
            $running = max($running, $taken[2] / 1000);
        }
    }
    $latency = max(array_column($queues, 'latency'));

    return ['version' => getenv('SYMFONY_VERSION'), 'queues' => $queues, 'system' => ['oldest_running' => $running, 'latency' => $latency]];
}

switch ($argv[1] ?? '') {
    case 'produce':
        produce();
        break;
    case 'work':
        work();
        break;
    case 'figures':
        $url = parse_url(getenv('REDIS_URL'));
        $redis = new Redis();
        $redis->connect($url['host'], $url['port']);
        $transports = transports();
        while (fgets(STDIN) !== false) {
            echo json_encode(figures($transports, $redis)), "\n";
        }
        break;
    default:
        fwrite(STDERR, "main.php produce|work|figures\n");
        exit(1);
}
