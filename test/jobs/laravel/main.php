<?php
// One role of Laravel's queues: main.php produce|work|figures, against the Redis of REDIS_URL.
// Only illuminate/queue and what it needs; the rest of a Laravel application has no part in it.

error_reporting(E_ALL & ~E_DEPRECATED & ~E_USER_DEPRECATED);
foreach (['Support', 'Contracts', 'Container', 'Events', 'Bus', 'Redis', 'Queue'] as $package) {
    foreach ([(getenv("LARAVEL") ?: "/usr/share/php") . "/Illuminate/$package/autoload.php"] as $file) {
        if (is_file($file)) {
            require_once $file;
        }
    }
}

use Illuminate\Container\Container;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Events\Dispatcher;
use Illuminate\Queue\Capsule\Manager;
use Illuminate\Queue\Worker;
use Illuminate\Queue\WorkerOptions;
use Illuminate\Redis\RedisManager;

const PREFIX = 'laravel_database_';
const QUEUES = ['default', 'slow', 'unserved'];

class Ok
{
    public function fire($job)
    {
        $job->delete();
    }
}

class Slow
{
    public function fire($job)
    {
        sleep(900);
    }
}

class Fails
{
    public function fire($job)
    {
        throw new RuntimeException('on purpose');
    }
}

// Handler throws nothing away: what a worker reports goes to its standard error.
class Handler implements ExceptionHandler
{
    public function report(Throwable $e)
    {
        fwrite(STDERR, get_class($e) . ': ' . $e->getMessage() . "\n");
    }

    public function shouldReport(Throwable $e)
    {
        return true;
    }

    public function render($request, Throwable $e)
    {
    }

    public function renderForConsole($output, Throwable $e)
    {
    }
}

function manager(): Manager
{
    $url = parse_url(getenv('REDIS_URL'));
    $container = new Container();
    $queue = new Manager($container);
    $container->instance('redis', new RedisManager($container, 'phpredis', [
        'options' => ['prefix' => PREFIX],
        'default' => ['host' => $url['host'], 'port' => $url['port'], 'database' => 0],
    ]));
    // A reserved job whose worker is dead may be taken again after a minute.
    $queue->addConnection(['driver' => 'redis', 'connection' => 'default', 'queue' => 'default', 'retry_after' => 60]);
    $container->bind('exception.handler', Handler::class);

    return $queue;
}

function produce()
{
    $queue = manager()->getConnection();
    for ($i = 0; $i < 3; $i++) {
        $queue->push(Ok::class);
    }
    $queue->push(Fails::class);
    $queue->later(3600, Ok::class);
    for ($i = 0; $i < 3; $i++) {
        $queue->push(Slow::class, '', 'slow');
    }
    for ($i = 0; $i < 2; $i++) {
        $queue->push(Ok::class, '', 'unserved');
    }
    $queue->later(1, Ok::class, '', 'unserved');
}

function work()
{
    $manager = manager()->getQueueManager();
    $worker = new Worker($manager, new Dispatcher(), new Handler(), fn () => false);
    // A failed job is tried again in an hour.
    $worker->daemon('default', 'default,slow', new WorkerOptions('default', 3600, 128, 0, 1, 3));
}

// What Laravel's own API tells of a queue: until Laravel 12 only its size, which is jobs that wait, that run and that wait
// for their time together.
function figures(): array
{
    $queue = manager()->getConnection();
    $queues = [];
    foreach (QUEUES as $name) {
        $queues[$name] = ['waiting+active+scheduled' => $queue->size($name)];
        if (method_exists($queue, 'pendingSize')) {
            $queues[$name] += [
                'waiting' => $queue->pendingSize($name), 'active' => $queue->reservedSize($name),
                'scheduled' => $queue->delayedSize($name),
            ];
            $made = $queue->creationTimeOfOldestPendingJob($name);
            $queues[$name]['latency'] = $made ? microtime(true) - $made : 0;
        }
    }

    // As far as the server tells, a client that stays could be a worker with a job.
    $queue->getConnection()->disconnect();

    return ['version' => getenv('LARAVEL_VERSION') ?: '8', 'queues' => $queues, 'system' => (object) []];
}

switch ($argv[1] ?? '') {
    case 'produce':
        produce();
        break;
    case 'work':
        work();
        break;
    case 'figures':
        while (fgets(STDIN) !== false) {
            echo json_encode(figures()), "\n";
        }
        break;
    default:
        fwrite(STDERR, "main.php produce|work|figures\n");
        exit(1);
}
