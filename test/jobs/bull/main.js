// One role of Bull 4: main.js produce|work|figures, against the Redis of REDIS_URL.
const Queue = require('bull');
const { version } = require('bull/package.json');

// The lock of a dead worker is to end soon.
const options = { settings: { lockDuration: 5000 }, metrics: { maxDataPoints: 60 } };
const limiter = { max: 1, duration: 3600e3 }; // of queue limited
const open = (name) => new Queue(name, process.env.REDIS_URL, name === 'limited' ? { ...options, limiter } : options);
const names = ['mail', 'unserved', 'paused', 'limited'];

async function produce() {
  const [mail, unserved, paused, limited] = names.map(open);
  for (let i = 0; i < 3; i++) await mail.add('ok', {});
  await mail.add('fails', { to: 'bob@example.com' });
  await mail.add('fails', { to: 'bob@example.com' }, { attempts: 3, backoff: 3600e3 });
  for (let i = 0; i < 3; i++) await mail.add('slow', {});
  await mail.add('ok', {}, { delay: 3600e3 });
  for (let i = 0; i < 2; i++) await unserved.add('ok', {});
  await unserved.add('ok', {}, { priority: 3 });
  await unserved.add('ok', {}, { delay: 1000 });
  await paused.add('ok', {});
  await paused.pause();
  for (let i = 0; i < 3; i++) await limited.add('ok', {});
  process.exit();
}

function work() {
  const queue = open('mail');
  queue.process('ok', 0, async () => {});
  queue.process('fails', 0, async (job) => { throw new TypeError(`on purpose for ${job.data.to}`); });
  open('limited').process('ok', 1, async () => {});
  queue.process('slow', 2, () => new Promise((resolve) => setTimeout(resolve, 900e3)));
}

// What Bull's own API tells, under the plugin's names.
async function figures(queues) {
  const told = { version, failures: [], queues: {}, system: { workers_alive: 0, oldest_running: 0 } };
  const age = (ms) => (Date.now() - ms) / 1000;
  for (const queue of queues) {
    const c = await queue.getJobCounts();
    const [completed, failed] = await Promise.all(['completed', 'failed'].map((type) => queue.getMetrics(type)));
    const [waiting, running] = await Promise.all([queue.getWaiting(), queue.getActive()]);
    told.system.workers_alive += (await queue.getWorkers()).length;
    told.system.oldest_running = Math.max(told.system.oldest_running, ...running.map((job) => age(job.processedOn)));
    for (const job of await queue.getFailed()) {
      const error = job.stacktrace.at(-1).split(':', 1)[0];
      told.failures.push({ class: job.name, queue: queue.name, error, message: job.failedReason });
    }
    told.queues[queue.name] = {
      waiting: await queue.getWaitingCount(), active: c.active, scheduled: c.delayed, failed: c.failed,
      completed: c.completed, paused: (await queue.isPaused()) ? 1 : 0,
      latency: Math.max(0, ...waiting.map((job) => age(job.timestamp))),
      processed_total: completed.meta.count + failed.meta.count, failed_total: failed.meta.count,
    };
  }
  return told;
}

async function answer() {
  const queues = names.map(open);
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await figures(queues)));
  }
  process.exit();
}

const role = { produce, work, figures: answer }[process.argv[2]];
if (!role) throw new Error('main.js produce|work|figures');
Promise.resolve(role()).catch((error) => { console.error(error); process.exit(1); });
