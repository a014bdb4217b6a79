// The scheduler of node-resque: resque.js schedule, against the Redis of REDIS_URL. It has no periodic jobs.
const { Queue, Scheduler } = require('node-resque');
const { version } = require('node-resque/package.json');

const { hostname, port } = new URL(process.env.REDIS_URL);
const connection = { pkg: 'ioredis', host: hostname, port: Number(port), database: 0 };

async function schedule() {
  const queue = new Queue({ connection }, {});
  await queue.connect();
  await queue.enqueueIn(3600e3, 'default', 'ok', []);
  await queue.enqueue('default', 'ok', []);
  const scheduler = new Scheduler({ connection });
  await scheduler.connect();
  await scheduler.start();
}

async function answer() {
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    console.log(JSON.stringify({ version, entries: {} }));
  }
  process.exit();
}

({ schedule, entries: answer })[process.argv[2]]().catch((error) => { console.error(error); process.exit(1); });
