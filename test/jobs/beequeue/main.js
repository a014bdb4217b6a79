// One role of Bee-Queue 2: main.js produce|work|figures, against the Redis of REDIS_URL.
const Queue = require('bee-queue');
const { version } = require('bee-queue/package.json');

const open = (name, isWorker) => new Queue(name, {
  redis: { url: process.env.REDIS_URL }, isWorker, getEvents: false, activateDelayedJobs: false,
});
const names = ['mail', 'unserved'];

async function produce() {
  const [mail, unserved] = names.map((name) => open(name, false));
  for (let i = 0; i < 3; i++) await mail.createJob({ kind: 'ok' }).save();
  await mail.createJob({ kind: 'fails' }).save();
  await mail.createJob({ kind: 'fails' }).retries(3).backoff('fixed', 3600e3).save();
  for (let i = 0; i < 4; i++) await mail.createJob({ kind: 'slow' }).save();
  await mail.createJob({ kind: 'ok' }).delayUntil(Date.now() + 3600e3).save();
  for (let i = 0; i < 2; i++) await unserved.createJob({ kind: 'ok' }).save();
  await unserved.createJob({ kind: 'ok' }).delayUntil(Date.now() + 1000).save();
  process.exit();
}

function work() {
  open('mail', true).process(2, async (job) => {
    if (job.data.kind === 'fails') throw new Error('on purpose');
    if (job.data.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, 900e3));
  });
}

// What Bee-Queue's own API tells, under the plugin's names.
async function figures(queues) {
  const told = { version, queues: {} };
  for (const queue of queues) {
    const c = await queue.checkHealth();
    const waiting = await queue.getJobs('waiting', { start: 0, end: 100 });
    told.queues[queue.name] = {
      waiting: c.waiting, active: c.active, scheduled: c.delayed, failed: c.failed, completed: c.succeeded,
      added_total: c.newestJob,
      latency: Math.max(0, ...waiting.map((job) => (Date.now() - job.options.timestamp) / 1000)),
    };
  }
  return told;
}

async function answer() {
  const queues = names.map((name) => open(name, false));
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await figures(queues)));
  }
  process.exit();
}

const role = { produce, work, figures: answer }[process.argv[2]];
if (!role) throw new Error('main.js produce|work|figures');
Promise.resolve(role()).catch((error) => { console.error(error); process.exit(1); });
