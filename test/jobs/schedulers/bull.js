// One role of Bull's repeatable jobs: bull.js schedule|entries, against the Redis of REDIS_URL.
const Queue = require('bull');
const { version } = require('bull/package.json');

const queue = new Queue('mail', process.env.REDIS_URL);

async function schedule() {
  queue.process('tick', async () => {});
  queue.process('nightly', async () => {});
  await queue.add('tick', { secret: 1 }, { repeat: { every: 5000 } });
  await queue.add('nightly', {}, { repeat: { cron: '0 3 * * *' } });
}

// What Bull itself tells of them; of the last run, when the worker began the last job.
async function entries() {
  const told = { version, entries: {} };
  for (const job of await queue.getRepeatableJobs()) told.entries[job.name] = { next: job.next / 1000 };
  const [done] = await queue.getJobs(['completed'], 0, 0);
  if (done && told.entries.tick) told.entries.tick.last = done.processedOn / 1000;
  return told;
}

async function answer() {
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await entries()));
  }
  process.exit();
}

({ schedule, entries: answer })[process.argv[2]]().catch((error) => { console.error(error); process.exit(1); });
