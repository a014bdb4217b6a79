// One role of BullMQ's job schedulers: bullmq.js schedule|entries, against the Redis of REDIS_URL.
const { Queue, Worker } = require('bullmq');
const { version } = require('bullmq/package.json');

const { hostname, port } = new URL(process.env.REDIS_URL);
const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };

async function schedule() {
  const queue = new Queue('mail', { connection });
  await queue.upsertJobScheduler('tick', { every: 5000 }, { name: 'ok', data: { secret: 1 } });
  await queue.upsertJobScheduler('nightly', { pattern: '0 3 * * *' }, { name: 'ok' });
  new Worker('mail', async () => {}, { connection });
}

// What BullMQ itself tells of them. It keeps no last run: that is when the worker began the last job of the scheduler.
async function entries(queue) {
  const told = { version, entries: {} };
  for (const s of await queue.getJobSchedulers()) told.entries[s.key] = { next: s.next / 1000 };
  const [done] = await queue.getJobs(['completed'], 0, 0);
  if (done && told.entries.tick) told.entries.tick.last = done.processedOn / 1000;
  return told;
}

async function answer() {
  const queue = new Queue('mail', { connection });
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await entries(queue)));
  }
  process.exit();
}

({ schedule, entries: answer })[process.argv[2]]().catch((error) => { console.error(error); process.exit(1); });
