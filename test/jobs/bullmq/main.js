// One role of BullMQ 5 or 6: main.js produce|work|figures, against the Redis of REDIS_URL.
const { Queue, Worker, FlowProducer } = require('bullmq');
const { version } = require('bullmq/package.json');

const { hostname, port } = new URL(process.env.REDIS_URL);
const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
const names = ['mail', 'unserved', 'paused'];

async function produce() {
  const [mail, unserved, paused] = names.map((name) => new Queue(name, { connection }));
  for (let i = 0; i < 3; i++) await mail.add('ok', {}, { removeOnComplete: false });
  await mail.add('fails', { to: 'bob@example.com' });
  await mail.add('fails', { to: 'bob@example.com' }, { attempts: 3, backoff: { type: 'fixed', delay: 3600e3 } });
  for (let i = 0; i < 3; i++) await mail.add('slow', {});
  await mail.add('ok', {}, { delay: 3600e3 });
  await mail.add('slow', {}, { priority: 7 });
  await new FlowProducer({ connection }).add({ name: 'ok', queueName: 'mail', children: [{ name: 'slow', queueName: 'unserved' }] });
  for (let i = 0; i < 2; i++) await unserved.add('ok', {});
  await unserved.add('ok', {}, { priority: 3 });
  await unserved.add('ok', {}, { delay: 1000 });
  await paused.add('ok', {});
  await paused.pause();
  process.exit();
}

function work() {
  const task = async (job) => {
    if (job.name === 'fails') throw new TypeError(`on purpose for ${job.data.to}`);
    if (job.name === 'slow') await new Promise((resolve) => setTimeout(resolve, 900e3));
  };
  // The lock of a dead worker is to end soon.
  new Worker('mail', task, { connection, concurrency: 2, lockDuration: 5000, metrics: { maxDataPoints: 60 } });
}

// What BullMQ's own API tells, under the plugin's names.
async function figures(queues) {
  const told = { version, failures: [], queues: {}, system: { workers_alive: 0, oldest_running: 0 } };
  const age = (ms) => (Date.now() - ms) / 1000;
  for (const queue of queues) {
    const c = await queue.getJobCounts();
    const [completed, failed] = await Promise.all(['completed', 'failed'].map((type) => queue.getMetrics(type)));
    const [waiting, running] = await Promise.all([['waiting', 'prioritized'], ['active']].map((types) => queue.getJobs(types)));
    told.system.workers_alive += await queue.getWorkersCount();
    told.system.oldest_running = Math.max(told.system.oldest_running, ...running.map((job) => age(job.processedOn)));
    for (const job of await queue.getFailed()) {
      const error = job.stacktrace.at(-1).split(':', 1)[0];
      told.failures.push({ class: job.name, queue: queue.name, error, message: job.failedReason });
    }
    told.queues[queue.name] = {
      waiting: c.waiting + c.prioritized + (c.paused || 0), active: c.active, scheduled: c.delayed, failed: c.failed,
      completed: c.completed, prioritized: c.prioritized, waiting_children: c['waiting-children'],
      paused: (await queue.isPaused()) ? 1 : 0, latency: Math.max(0, ...waiting.map((job) => age(job.timestamp))),
      processed_total: completed.meta.count + failed.meta.count, failed_total: failed.meta.count,
    };
  }
  return told;
}

async function answer() {
  const queues = names.map((name) => new Queue(name, { connection }));
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await figures(queues)));
  }
  process.exit();
}

const role = { produce, work, figures: answer }[process.argv[2]];
if (!role) throw new Error('main.js produce|work|figures');
Promise.resolve(role()).catch((error) => { console.error(error); process.exit(1); });
