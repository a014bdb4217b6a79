# A shop's Sidekiq with sidekiq-cron: sidekiq.rb work|trade, against the Redis of REDIS_URL. Sidekiq loads this file too.
require "sidekiq"
require "sidekiq-cron"

Sidekiq.configure_client { |config| config.redis = {url: ENV.fetch("REDIS_URL")} }
Sidekiq.configure_server do |config|
  config.redis = {url: ENV.fetch("REDIS_URL")}
  config.on(:startup) do
    Sidekiq::Cron::Job.create(name: "cleanup", cron: "* * * * *", class: "Mail", queue: "mail", args: [0])
    Sidekiq::Cron::Job.create(name: "nightly", cron: "0 3 * * *", class: "Report", queue: "reports")
  end
end

class Mail
  include Sidekiq::Worker
  sidekiq_options queue: "mail"

  def perform(*) = sleep(0.05)
end

class Report
  include Sidekiq::Worker
  sidekiq_options queue: "reports"

  def perform(*) = sleep(75)
end

# Fails the first time.
class Payment
  include Sidekiq::Worker
  sidekiq_options queue: "mail", retry: 5
  sidekiq_retry_in { 5 }

  def perform(*)
    first = Sidekiq.redis { |c| c.set("app:payment:#{jid}", "1", nx: true, ex: 600) }
    raise "no answer of the bank" if first
  end
end

def trade
  Mail.set(queue: "night").perform_async(1)
  1.step do |second|
    3.times { |n| Mail.perform_async(n) }
    Payment.perform_async(second) if second % 200 == 0
    Mail.perform_in(30, second) if second % 20 == 0
    Report.perform_async if second % 60 == 0
    200.times { |n| Mail.perform_async(n) } if second % 300 == 0
    # All slots are busy for minutes.
    8.times { Report.perform_async } if second % 1200 == 0
    sleep 1
  end
end

case ARGV[0]
when "trade" then trade
when "work" then exec("sidekiq", "-r", File.expand_path(__FILE__), "-c", "5", "-t", "8", "-q", "mail", "-q", "reports", "-q", "night")
end
