// One role of node-resque, which keeps Resque's and resque-scheduler's layout: main.js produce|work|figures, against the
// Redis of REDIS_URL.
const { Queue, Worker } = require('node-resque');
const { version } = require('node-resque/package.json');

const { hostname, port } = new URL(process.env.REDIS_URL);
const connection = { pkg: 'ioredis', host: hostname, port: Number(port), password: null, database: 0, namespace: 'resque' };
const jobs = {
  ok: { perform: async () => 'done' },
  fails: { perform: async (to) => { throw new TypeError(`on purpose for ${to}`); } },
  slow: { perform: () => new Promise((resolve) => setTimeout(resolve, 900e3)) },
};

async function open() {
  const queue = new Queue({ connection }, jobs);
  queue.on('error', (error) => console.error(error));
  await queue.connect();
  return queue;
}

async function produce() {
  const queue = await open();
  for (let i = 0; i < 3; i++) await queue.enqueue('default', 'ok', [i]);
  for (let i = 0; i < 2; i++) await queue.enqueue('default', 'fails', ['bob@example.com']);
  for (let i = 0; i < 3; i++) await queue.enqueue('slow', 'slow', [i]);
  for (let i = 0; i < 2; i++) await queue.enqueue('unserved', 'ok', [i]);
  await queue.enqueueIn(3600e3, 'default', 'ok', [7]);
  await queue.enqueueIn(3600e3, 'default', 'ok', [8]);
  await queue.enqueueIn(1000, 'default', 'ok', [9]); // nobody moves it: no scheduler runs
  process.exit();
}

async function work() {
  const worker = new Worker({ connection, queues: ['default', 'slow'], timeout: 100 }, jobs);
  for (const event of ['error', 'failure']) worker.on(event, (...args) => console.error(event, ...args));
  await worker.connect();
  await worker.start();
}

// What node-resque's own API tells, under the plugin's names.
async function figures(queue) {
  const names = await queue.queues();
  const lengths = await Promise.all(names.map((name) => queue.length(name)));
  const [workers, running, delayed, failed, stats] = await Promise.all([
    queue.workers(), queue.allWorkingOn(), queue.allDelayed(), queue.failedCount(), queue.stats(),
  ]);
  const busy = Object.values(running).filter((job) => job !== 'started');
  return {
    version,
    failures: (await queue.failed(0, -1)).map((f) => ({
      class: f.payload.class, queue: f.queue, error: f.exception, message: f.error,
    })),
    queues: Object.fromEntries(names.map((name, i) => [name, {
      waiting: lengths[i], active: busy.filter((job) => job.queue === name).length,
    }])),
    system: {
      waiting: lengths.reduce((sum, n) => sum + n, 0), active: busy.length,
      scheduled: Object.values(delayed).flat().length, failed,
      processed_total: Number(stats.processed), failed_total: Number(stats.failed),
      workers: Object.keys(workers).length,
      oldest_running: Math.max(0, ...busy.map((job) => (Date.now() - new Date(job.run_at)) / 1000)),
    },
  };
}

async function answer() {
  const queue = await open();
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await figures(queue)));
  }
  process.exit();
}

const role = { produce, work, figures: answer }[process.argv[2]];
if (!role) throw new Error('main.js produce|work|figures');
Promise.resolve(role()).catch((error) => { console.error(error); process.exit(1); });
